"""The tables of payments, sagas and messages. PostgreSQL refuses to change or delete a fact."""

import checkout.payments.models.payment
import checkout.states
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


from checkout.database.append_only import refuse_changes


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveSmallIntegerField()),
                (
                    "order_code",
                    models.CharField(
                        help_text="The provider's name for this try", max_length=64, unique=True
                    ),
                ),
                ("session_id", models.CharField(max_length=64)),
                (
                    "session_state",
                    models.CharField(
                        blank=True,
                        help_text="What the provider wants back with the next message",
                        max_length=2000,
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("created", "created"),
                            ("submitted", "submitted"),
                            ("challenge_required", "challenge_required"),
                            ("challenge_returned", "challenge_returned"),
                            ("unknown", "unknown"),
                            ("authorised", "authorised"),
                            ("refused", "refused"),
                            ("not_sent", "not_sent"),
                            ("expired", "expired"),
                            ("conflicted", "conflicted"),
                        ],
                        default=checkout.states.AttemptState["CREATED"],
                        max_length=30,
                    ),
                ),
                ("browser", models.JSONField(default=dict)),
                ("device_data_reference", models.CharField(blank=True, max_length=100)),
                (
                    "demands_challenge",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="The issuer is to challenge the shopper: attack mode, or its own demand",
                    ),
                ),
                ("challenge", models.JSONField(blank=True, null=True)),
                ("challenge_count", models.PositiveSmallIntegerField(default=0)),
                ("challenge_token_hash", models.CharField(blank=True, db_index=True, max_length=64)),
                ("challenge_expires_at", models.DateTimeField(blank=True, null=True)),
                ("three_d_secure", models.JSONField(blank=True, default=dict)),
                (
                    "card",
                    models.JSONField(blank=True, default=dict, help_text="Brand, last four digits, expiry"),
                ),
                ("refusal_reason", models.CharField(blank=True, max_length=50)),
                ("refusal_code", models.CharField(blank=True, max_length=50)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "ordering": ["payment", "number"],
            },
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dealt_with_at", models.DateTimeField(blank=True, null=True)),
                ("dealt_with_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("dealt_with_note", models.CharField(blank=True, db_default="", default="", max_length=200)),
                (
                    "fingerprint",
                    models.CharField(
                        editable=False,
                        help_text="By which the same message is known when it dies again",
                        max_length=64,
                        unique=True,
                    ),
                ),
                ("message_id", models.CharField(db_index=True, max_length=64)),
                ("type", models.CharField(max_length=100)),
                ("service", models.CharField(blank=True, max_length=50)),
                ("queue", models.CharField(blank=True, max_length=255)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("subject", models.CharField(blank=True, db_index=True, max_length=100)),
                ("correlation_id", models.CharField(blank=True, db_index=True, max_length=120)),
                (
                    "sender_user",
                    models.CharField(
                        blank=True,
                        db_default="",
                        db_index=True,
                        help_text="The broker user that sent it",
                        max_length=255,
                    ),
                ),
                (
                    "sender_app",
                    models.CharField(
                        blank=True,
                        db_default="",
                        db_index=True,
                        help_text="The program that says it sent it",
                        max_length=255,
                    ),
                ),
                ("reply_to", models.CharField(blank=True, max_length=255)),
                ("body", models.TextField()),
                ("headers", models.JSONField(blank=True, default=dict)),
                ("copies", models.PositiveIntegerField(default=1, help_text="How often it has died")),
                ("died_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("requeued_at", models.DateTimeField(blank=True, null=True)),
                ("requeued_by", models.CharField(blank=True, max_length=150)),
            ],
            options={
                "ordering": ["-died_at"],
                "permissions": [
                    ("requeue_deadletter", "Can send a dead letter again"),
                    ("deal_with_deadletter", "Can mark a dead letter as dealt with"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Merchant",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.SlugField(unique=True)),
                ("name", models.CharField(max_length=200)),
                (
                    "return_origins",
                    models.JSONField(
                        blank=True, default=list, help_text="Origins that a payment's return URL may have"
                    ),
                ),
                (
                    "attack_mode",
                    models.CharField(
                        choices=[("automatic", "Automatic"), ("on", "On"), ("off", "Off")],
                        db_default="automatic",
                        default="automatic",
                        help_text="When cards are challenged and new addresses slowed: automatic is after many declines",
                        max_length=10,
                    ),
                ),
                (
                    "attacked_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="The end of the attack mode that many declines have begun",
                        null=True,
                    ),
                ),
            ],
            options={
                "permissions": [("protect_merchant", "Can set the attack mode of merchants")],
            },
        ),
        migrations.CreateModel(
            name="InboxMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("consumer", models.CharField(max_length=50)),
                ("message_id", models.CharField(max_length=64)),
                ("type", models.CharField(max_length=100)),
                ("subject", models.CharField(blank=True, db_index=True, max_length=100)),
                ("received_at", models.DateTimeField()),
                ("handled_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "verbose_name": "handled message",
                "ordering": ["-handled_at"],
                "abstract": False,
                "constraints": [
                    models.UniqueConstraint(
                        fields=("consumer", "message_id"), name="inboxmessage_handled_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AttackModeChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[("automatic", "Automatic"), ("on", "On"), ("off", "Off")], max_length=10
                    ),
                ),
                ("by", models.CharField(blank=True, max_length=150)),
                ("reason", models.CharField(max_length=200)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attack_mode_changes",
                        to="payments.merchant",
                    ),
                ),
            ],
            options={
                "ordering": ["-changed_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("message_id", models.CharField(max_length=64, unique=True)),
                ("exchange", models.CharField(max_length=127)),
                ("routing_key", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=100)),
                ("correlation_id", models.CharField(blank=True, max_length=120)),
                ("reply_to", models.CharField(blank=True, max_length=255)),
                ("subject", models.CharField(blank=True, db_index=True, max_length=100)),
                ("causation_id", models.CharField(blank=True, db_index=True, max_length=64)),
                ("body", models.TextField()),
                ("headers", models.JSONField(blank=True, default=dict)),
                ("carries_sealed", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("available_at", models.DateTimeField()),
                ("published_at", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "verbose_name": "sent message",
                "ordering": ["-created_at"],
                "abstract": False,
                "indexes": [
                    models.Index(
                        condition=models.Q(("published_at__isnull", True)),
                        fields=["available_at"],
                        name="outboxmessage_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Payment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        default=checkout.payments.models.payment._payment_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "order_reference",
                    models.CharField(help_text="The merchant's own order number", max_length=100),
                ),
                ("description", models.CharField(max_length=50)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "lines",
                    models.JSONField(
                        blank=True, default=list, help_text="What was ordered: sku and quantity"
                    ),
                ),
                ("shopper_email", models.EmailField(blank=True, max_length=254)),
                ("return_url", models.CharField(blank=True, max_length=500)),
                ("captures_automatically", models.BooleanField(default=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "open"),
                            ("processing", "processing"),
                            ("challenge_required", "challenge_required"),
                            ("confirming", "confirming"),
                            ("authorised", "authorised"),
                            ("capture_pending", "capture_pending"),
                            ("partially_captured", "partially_captured"),
                            ("captured", "captured"),
                            ("refused", "refused"),
                            ("void_pending", "void_pending"),
                            ("voided", "voided"),
                            ("partially_refunded", "partially_refunded"),
                            ("refunded", "refunded"),
                            ("charged_back", "charged_back"),
                            ("cancelled", "cancelled"),
                            ("expired", "expired"),
                            ("conflicted", "conflicted"),
                        ],
                        default=checkout.states.PaymentState["OPEN"],
                        max_length=30,
                    ),
                ),
                ("refusal_reason", models.CharField(blank=True, max_length=50)),
                ("version", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payments",
                        to="payments.merchant",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "permissions": [
                    ("request_capture", "Can capture payments"),
                    ("request_void", "Can void payments"),
                    ("request_refund", "Can refund payments"),
                    ("cancel_payment", "Can cancel payments that were not paid"),
                    ("review_payment", "Can have the provider asked about conflicted payments"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Operation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        default=checkout.payments.models.payment._operation_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("capture", "Capture"),
                            ("void", "Void"),
                            ("refund", "Refund"),
                            ("charge_back", "charge-back"),
                            ("charge_back_reversal", "charge-back reversal"),
                        ],
                        max_length=24,
                    ),
                ),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("pending", "Pending"),
                            ("done", "Done"),
                            ("refused", "Refused"),
                            ("unknown", "Unknown"),
                        ],
                        default="requested",
                        max_length=12,
                    ),
                ),
                (
                    "idempotency_key",
                    models.CharField(
                        blank=True,
                        help_text="A second request with the same key gets the same operation",
                        max_length=100,
                    ),
                ),
                (
                    "requested_by",
                    models.CharField(blank=True, help_text="A user's name, saga or clock", max_length=150),
                ),
                ("reason", models.CharField(blank=True, help_text="Why it was asked for", max_length=200)),
                ("refusal_reason", models.CharField(blank=True, max_length=50)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="operations",
                        to="payments.attempt",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="operations",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["created_at"],
                "permissions": [
                    (
                        "settle_operation",
                        "Can say what became of an operation or of what the provider reported",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Fact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("shopper", "shopper"),
                            ("saga", "saga"),
                            ("provider", "provider"),
                            ("staff", "staff"),
                            ("clock", "clock"),
                        ],
                        max_length=10,
                    ),
                ),
                ("kind", models.CharField(max_length=60)),
                ("data", models.JSONField(blank=True, default=dict)),
                ("text", models.TextField(blank=True)),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "attempt",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="facts",
                        to="payments.attempt",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="facts",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["recorded_at", "pk"],
            },
        ),
        migrations.AddField(
            model_name="attempt",
            name="payment",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="attempts", to="payments.payment"
            ),
        ),
        migrations.CreateModel(
            name="ProviderAccount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "code",
                    models.SlugField(
                        help_text="Names the notification address and the credentials", unique=True
                    ),
                ),
                (
                    "provider",
                    models.SlugField(help_text="Which adapter speaks to it, for example worldpay_wpg"),
                ),
                (
                    "merchant_code",
                    models.CharField(help_text="The provider's name for the merchant", max_length=100),
                ),
                ("endpoint", models.URLField()),
                ("options", models.JSONField(blank=True, default=dict)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="provider_accounts",
                        to="payments.merchant",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Difference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dealt_with_at", models.DateTimeField(blank=True, null=True)),
                ("dealt_with_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("dealt_with_note", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("order_code", models.CharField(max_length=64)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("authorised", "Authorised"),
                            ("captured", "Captured"),
                            ("refunded", "Refunded"),
                            ("charged_back", "Charged Back"),
                            ("ledger_captured", "Ledger Captured"),
                            ("ledger_refunded", "Ledger Refunded"),
                            ("ledger_charged_back", "Ledger Charged Back"),
                            ("ledger_in_process", "Ledger In Process"),
                            ("currency", "Currency"),
                            ("order", "Order"),
                            ("unanswered", "Unanswered"),
                        ],
                        help_text="What differs",
                        max_length=30,
                    ),
                ),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("ours_minor", models.BigIntegerField(default=0)),
                ("theirs_minor", models.BigIntegerField(default=0)),
                ("found_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_seen_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                (
                    "payment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="differences",
                        to="payments.payment",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="differences",
                        to="payments.provideraccount",
                    ),
                ),
            ],
            options={
                "ordering": ["-found_at"],
                "permissions": [("deal_with_difference", "Can mark a difference as dealt with")],
            },
        ),
        migrations.AddField(
            model_name="attempt",
            name="provider_account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, to="payments.provideraccount"
            ),
        ),
        migrations.CreateModel(
            name="ProviderCall",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="The idempotency key sent to the provider", max_length=100, unique=True
                    ),
                ),
                ("verb", models.CharField(max_length=30)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("outcome", models.CharField(blank=True, max_length=30)),
                ("event", models.CharField(blank=True, max_length=100)),
                (
                    "was_alone",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="No other capture, void or refund of the attempt was open when it was sent",
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="provider_calls",
                        to="payments.attempt",
                    ),
                ),
            ],
            options={
                "ordering": ["started_at"],
            },
        ),
        migrations.CreateModel(
            name="ProviderNotification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("dealt_with_at", models.DateTimeField(blank=True, null=True)),
                ("dealt_with_by", models.CharField(blank=True, db_default="", default="", max_length=150)),
                ("dealt_with_note", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("digest", models.CharField(help_text="SHA-256 of the body as received", max_length=64)),
                ("body", models.TextField()),
                (
                    "is_proven",
                    models.BooleanField(
                        db_default=False,
                        default=False,
                        help_text="Sent over a channel that only the provider can use; otherwise it is a hint",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("received", "Received"),
                            ("applied", "Applied"),
                            ("unmatched", "Unmatched"),
                            ("conflicted", "Conflicted"),
                            ("unreadable", "Unreadable"),
                        ],
                        default="received",
                        max_length=12,
                    ),
                ),
                ("copies", models.PositiveIntegerField(default=1)),
                ("received_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("applied_at", models.DateTimeField(blank=True, null=True)),
                (
                    "reason",
                    models.CharField(blank=True, help_text="Why it was not simply applied", max_length=1000),
                ),
                ("tries", models.PositiveSmallIntegerField(default=0)),
                (
                    "next_try_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When it is looked at again, if it was not looked at or not matched",
                        null=True,
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to="payments.provideraccount",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notifications",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["-received_at"],
                "permissions": [("deal_with_providernotification", "Can mark a notification as dealt with")],
            },
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("compared_until", models.DateTimeField(blank=True, null=True)),
                ("listed_until", models.DateTimeField(blank=True, null=True)),
                (
                    "compared",
                    models.PositiveIntegerField(default=0, help_text="Payments whose sums were compared"),
                ),
                (
                    "in_progress",
                    models.PositiveIntegerField(
                        default=0, help_text="Payments left for when they are at rest"
                    ),
                ),
                (
                    "untold",
                    models.PositiveIntegerField(
                        default=0, help_text="Orders whose sums the provider does not tell"
                    ),
                ),
                (
                    "unanswered",
                    models.PositiveIntegerField(default=0, help_text="Questions that got no answer"),
                ),
                ("differing", models.PositiveIntegerField(default=0, help_text="Differences that were seen")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reconciliations",
                        to="payments.provideraccount",
                    ),
                ),
            ],
            options={
                "ordering": ["-started_at"],
            },
        ),
        migrations.CreateModel(
            name="PostponedComparison",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("postponed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payments.provideraccount",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("account", "payment"), name="a_comparison_is_postponed_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Saga",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=30)),
                ("key", models.CharField(help_text="What makes starting it twice harmless", max_length=100)),
                ("step", models.CharField(max_length=50)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("running", "Running"),
                            ("completed", "Completed"),
                            ("compensated", "Compensated"),
                            ("parked", "Parked"),
                        ],
                        default="running",
                        max_length=12,
                    ),
                ),
                ("data", models.JSONField(default=dict)),
                (
                    "awaiting",
                    models.CharField(
                        blank=True,
                        help_text="Correlation id of the one reply that moves it on",
                        max_length=120,
                    ),
                ),
                ("deadline_at", models.DateTimeField(blank=True, null=True)),
                ("version", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sagas",
                        to="payments.attempt",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        help_text="The saga that started this one and hears how it goes",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="payments.saga",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="sagas",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at"],
                "permissions": [("resume_saga", "Can let a parked saga try again")],
            },
        ),
        migrations.CreateModel(
            name="SagaStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=50)),
                ("command", models.CharField(max_length=60)),
                ("correlation_id", models.CharField(max_length=120, unique=True)),
                ("body_sha256", models.CharField(max_length=64)),
                ("sent_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("replied_at", models.DateTimeField(blank=True, null=True)),
                ("outcome", models.CharField(blank=True, max_length=60)),
                (
                    "saga",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="steps", to="payments.saga"
                    ),
                ),
            ],
            options={
                "ordering": ["sent_at", "pk"],
            },
        ),
        migrations.CreateModel(
            name="Waiter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reply_to", models.CharField(max_length=255)),
                ("correlation_id", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="waiters",
                        to="payments.payment",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardTrial",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("client", models.CharField(blank=True, max_length=64)),
                ("email", models.CharField(blank=True, max_length=64)),
                ("is_declined", models.BooleanField()),
                ("answered_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "attempt",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="trial",
                        to="payments.attempt",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="payments.merchant",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("is_declined", True)),
                        fields=["client", "answered_at"],
                        name="declines_of_a_client",
                    ),
                    models.Index(
                        condition=models.Q(("is_declined", True)),
                        fields=["email", "answered_at"],
                        name="declines_of_an_email",
                    ),
                    models.Index(
                        condition=models.Q(("is_declined", True)),
                        fields=["merchant", "answered_at"],
                        name="declines_of_a_merchant",
                    ),
                    models.Index(
                        condition=models.Q(("is_declined", False)),
                        fields=["client"],
                        name="clients_that_have_paid",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["-created_at"], name="payments_pa_created_3147e3_idx"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["state", "updated_at"], name="payments_pa_state_3c3be0_idx"),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.UniqueConstraint(
                fields=("merchant", "order_reference"), name="one_payment_per_order"
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="payment_amount_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="operation",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_minor__gt", 0)), name="operation_amount_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="operation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key", ""), _negated=True),
                fields=("payment", "idempotency_key"),
                name="one_operation_per_idempotency_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="difference",
            constraint=models.UniqueConstraint(
                condition=models.Q(("resolved_at__isnull", True)),
                fields=("account", "order_code", "kind"),
                name="a_difference_is_open_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("payment", "number"), name="attempts_are_numbered"),
        ),
        migrations.AddIndex(
            model_name="providernotification",
            index=models.Index(
                condition=models.Q(("next_try_at__isnull", False)),
                fields=["next_try_at"],
                name="notifications_to_try_again",
            ),
        ),
        migrations.AddConstraint(
            model_name="providernotification",
            constraint=models.UniqueConstraint(
                fields=("account", "digest"), name="a_notification_is_stored_once"
            ),
        ),
        migrations.AddIndex(
            model_name="reconciliation",
            index=models.Index(fields=["account", "-started_at"], name="payments_re_account_a2a7c9_idx"),
        ),
        migrations.AddIndex(
            model_name="saga",
            index=models.Index(
                condition=models.Q(("deadline_at__isnull", False), ("status", "running")),
                fields=["deadline_at"],
                name="saga_deadlines",
            ),
        ),
        migrations.AddIndex(
            model_name="saga",
            index=models.Index(
                condition=models.Q(("awaiting", ""), _negated=True),
                fields=["awaiting"],
                name="sagas_that_wait",
            ),
        ),
        migrations.AddConstraint(
            model_name="saga",
            constraint=models.UniqueConstraint(fields=("kind", "key"), name="a_saga_starts_once"),
        ),
        refuse_changes("payments_fact"),
    ]
