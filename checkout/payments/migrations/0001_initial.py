"""The tables of payments, sagas and messages.

PostgreSQL refuses to change or delete a fact or an event, and to decide a request twice, and has a partition of the messages for each month.
"""

import checkout.languages
import checkout.payments.models.approval
import checkout.payments.models.dispute
import checkout.payments.models.event
import checkout.payments.models.link
import checkout.payments.models.payment
import checkout.payments.models.saved_card
import checkout.states
import django.core.validators
import django.db.models.deletion
import django.db.models.fields.json
import django.db.models.functions.text
import django.utils.timezone
from django.db import migrations, models

from checkout.database.append_only import refuse_changes
from checkout.database.decided_once import decide_once
from checkout.database.json_indexes import json_index
from checkout.database.pattern_indexes import leave_out_pattern_indexes
from checkout.database.trigram_indexes import trigram_index
from messaging.outbox.partitions import divide_by_month


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
                        default=False,
                        help_text="The issuer is to challenge the shopper: attack mode, or its own demand",
                    ),
                ),
                (
                    "saves_card",
                    models.BooleanField(
                        default=False,
                        help_text="The shopper wants the card saved for the next purchase",
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The language of the pages on which it was made",
                        max_length=5,
                    ),
                ),
                (
                    "merchant_initiated",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Why a saved card is charged without the shopper",
                        max_length=12,
                    ),
                ),
                (
                    "capture_reference",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Our name for an included capture",
                        max_length=40,
                    ),
                ),
                ("challenge", models.JSONField(blank=True, null=True)),
                ("challenge_count", models.PositiveSmallIntegerField(default=0)),
                ("challenge_token_hash", models.CharField(blank=True, db_index=True, max_length=64)),
                ("challenge_expires_at", models.DateTimeField(blank=True, null=True)),
                (
                    "called_off_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When somebody wanted the payment cancelled during this try",
                        null=True,
                    ),
                ),
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
                ("dealt_with_by", models.CharField(blank=True, default="", max_length=150)),
                ("dealt_with_note", models.CharField(blank=True, default="", max_length=200)),
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
                        db_index=True,
                        help_text="The broker user that sent it",
                        max_length=255,
                    ),
                ),
                (
                    "sender_app",
                    models.CharField(
                        blank=True,
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
            name="EventPosition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("last_pk", models.BigIntegerField(default=0)),
                ("under_way", models.JSONField(default=dict)),
                ("leased_until", models.DateTimeField(null=True)),
                ("version", models.PositiveBigIntegerField(default=0)),
            ],
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
                (
                    "is_live",
                    models.BooleanField(
                        default=False,
                        help_text="Its payments are real: its programs use live keys, otherwise test keys",
                    ),
                ),
            ],
            options={
                "permissions": [("protect_merchant", "Can set the attack mode of merchants")],
            },
        ),
        migrations.CreateModel(
            name="RetentionWalk",
            fields=[
                ("table", models.CharField(max_length=63, primary_key=True, serialize=False)),
                ("last_pk", models.BigIntegerField(default=0)),
                ("began_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("is_at_end", models.BooleanField(default=False)),
            ],
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
                ("is_suspect", models.BooleanField(default=False)),
                ("rejections", models.PositiveSmallIntegerField(default=0)),
                ("given_up_at", models.DateTimeField(blank=True, null=True)),
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
                (
                    "customer_reference",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="The merchant's own id of its customer",
                        max_length=64,
                    ),
                ),
                ("shopper_email", models.EmailField(blank=True, max_length=254)),
                ("return_url", models.CharField(blank=True, max_length=500)),
                ("cancel_url", models.CharField(blank=True, max_length=500)),
                (
                    "locale",
                    models.CharField(
                        blank=True,
                        help_text="The language of the shopper's pages (BCP 47)",
                        max_length=35,
                    ),
                ),
                (
                    "metadata",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="The merchant's own names and values",
                    ),
                ),
                (
                    "expires_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="After this moment no attempt starts, and the unpaid payment expires",
                        null=True,
                    ),
                ),
                ("captures_automatically", models.BooleanField(default=True)),
                (
                    "made_with",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Its link or saved card",
                    ),
                ),
                (
                    "is_rest_released",
                    models.BooleanField(
                        default=False,
                        help_text="The provider has released what was not captured",
                    ),
                ),
                (
                    "held_since",
                    models.DateTimeField(blank=True, help_text="When it was authorised first", null=True),
                ),
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
                (
                    "answer_tier",
                    models.CharField(
                        blank=True,
                        choices=[("held", "Held"), ("pushed", "Pushed"), ("polled", "Polled")],
                        default="",
                        editable=False,
                        help_text="How the first result reached the shopper",
                        max_length=6,
                    ),
                ),
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
                (
                    "at_risk_minor",
                    models.PositiveBigIntegerField(
                        default=0,
                        help_text="What disputes claim that are known, and neither booked nor denied yet",
                    ),
                ),
                (
                    "watched_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="When a page or poll began to wait for its changes",
                        null=True,
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
                    ("accept_payment", "Can accept payments that were authorised without authentication"),
                    ("note_payment", "Can leave notes about payments"),
                    ("erase_payment", "Can erase the personal data of payments"),
                    ("export_payment", "Can export lists of payments and other records as files"),
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
                    models.CharField(
                        blank=True, help_text="A user's name, the flow or the clock", max_length=150
                    ),
                ),
                ("reason", models.CharField(blank=True, help_text="Why it was asked for", max_length=200)),
                ("refusal_reason", models.CharField(blank=True, max_length=50)),
                (
                    "doubt",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Why evidence speaks against it",
                        max_length=20,
                    ),
                ),
                (
                    "doubted_at",
                    models.DateTimeField(blank=True, help_text="Since when evidence does", null=True),
                ),
                (
                    "metadata",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="The merchant's own names and values",
                    ),
                ),
                (
                    "is_final",
                    models.BooleanField(
                        default=False,
                        help_text="A capture after which nothing more may be captured",
                    ),
                ),
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
                (
                    "merchant",
                    checkout.payments.models.payment.MerchantOfPayment(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payments.merchant",
                    ),
                ),
                (
                    "is_idle",
                    models.BooleanField(
                        default=False,
                        help_text="Parked, and nothing of it can be at the provider: it reserves no money",
                    ),
                ),
                (
                    "is_withdrawn",
                    models.BooleanField(
                        default=False, help_text="It never leaves us again, whatever becomes of it"
                    ),
                ),
                (
                    "parked_reason",
                    models.CharField(
                        blank=True, default="", help_text="Why its flow waits for staff", max_length=500
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
                            ("merchant", "merchant"),
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
        migrations.CreateModel(
            name="Event",
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
                        default=checkout.payments.models.event._event_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "operation",
                    models.CharField(
                        blank=True, help_text="The reference of the operation, if any", max_length=40
                    ),
                ),
                ("type", models.CharField(max_length=40)),
                ("sequence", models.PositiveIntegerField()),
                ("data", models.JSONField()),
                ("changes", models.JSONField(blank=True, default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "merchant",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="payments.merchant",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
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
            name="PaymentLink",
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
                        default=checkout.payments.models.link._link_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "token",
                    models.CharField(
                        default=checkout.payments.models.link._token,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("order_reference", models.CharField(max_length=100)),
                ("amount_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("description", models.CharField(max_length=50)),
                ("return_url", models.CharField(blank=True, max_length=500)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                (
                    "max_quantity",
                    models.PositiveSmallIntegerField(
                        default=1, help_text="How many a shopper may buy at once, each for the amount"
                    ),
                ),
                (
                    "least_minor",
                    models.BigIntegerField(
                        blank=True,
                        help_text="The least that a shopper may choose to pay; none has one price",
                        null=True,
                    ),
                ),
                ("most_minor", models.BigIntegerField(blank=True, null=True)),
                (
                    "asks_email",
                    models.BooleanField(
                        default=False, help_text="The shopper is asked for an e-mail address, for the receipt"
                    ),
                ),
                ("is_reusable", models.BooleanField(default=False)),
                (
                    "openings",
                    models.PositiveIntegerField(default=0, help_text="The payments that it has made"),
                ),
                (
                    "last_number",
                    models.PositiveIntegerField(
                        default=0,
                        editable=False,
                        help_text="The number in the last order reference that it has tried",
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="links",
                        to="payments.merchant",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("disable_paymentlink", "Can disable payment links")],
            },
        ),
        migrations.CreateModel(
            name="Logo",
            fields=[
                ("name", models.CharField(max_length=70, primary_key=True, serialize=False)),
                ("content", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="Appearance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "default_language",
                    models.CharField(
                        blank=True,
                        choices=checkout.languages.CHOICES,
                        default="",
                        help_text="For shoppers of whom neither the payment nor the browser asks for one of our "
                        "languages",
                        max_length=5,
                    ),
                ),
                (
                    "colour",
                    models.CharField(
                        blank=True,
                        default="",
                        help_text="Of buttons and links, as #0b5d4e. It is made darker or lighter where it could "
                        "not be read",
                        max_length=7,
                        validators=[
                            django.core.validators.RegexValidator(
                                r"^#[0-9A-Fa-f]{6}\Z", "Write a colour as #0b5d4e."
                            )
                        ],
                    ),
                ),
                (
                    "logo",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="payments.logo",
                    ),
                ),
                ("support_email", models.EmailField(blank=True, default="", max_length=254)),
                (
                    "support_phone",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=30,
                        validators=[
                            django.core.validators.RegexValidator(
                                r"^\+?[0-9 ()./-]+\Z", "Write a telephone number as +44 20 7946 0000."
                            )
                        ],
                    ),
                ),
                (
                    "terms_url",
                    models.URLField(blank=True, default="", verbose_name="address of the terms"),
                ),
                (
                    "privacy_url",
                    models.URLField(blank=True, default="", verbose_name="address of the privacy notice"),
                ),
                (
                    "merchant",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="appearance",
                        to="payments.merchant",
                    ),
                ),
            ],
            options={"ordering": ["merchant__name"]},
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
                    "accepted_brands",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="The card brands that the form names; none if all are accepted",
                    ),
                ),
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
                    "sums",
                    models.JSONField(blank=True, default=dict),
                ),
                ("is_lock", models.BooleanField(default=False)),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="payments.payment"
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payments.provideraccount",
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
                ("dealt_with_by", models.CharField(blank=True, default="", max_length=150)),
                ("dealt_with_note", models.CharField(blank=True, default="", max_length=200)),
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
                (
                    "earlier_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the first of the earlier copies was sent that may yet arrive",
                        null=True,
                    ),
                ),
                (
                    "recognised_key",
                    models.CharField(
                        blank=True,
                        help_text="The key by which the provider recognises a copy; empty if it recognises none",
                        max_length=100,
                    ),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("outcome", models.CharField(blank=True, max_length=30)),
                ("event", models.CharField(blank=True, max_length=100)),
                (
                    "was_alone",
                    models.BooleanField(
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
                ("dealt_with_by", models.CharField(blank=True, default="", max_length=150)),
                ("dealt_with_note", models.CharField(blank=True, default="", max_length=200)),
                ("digest", models.CharField(help_text="SHA-256 of the body as received", max_length=64)),
                ("body", models.TextField(help_text="As received, with masks, for people")),
                (
                    "statements",
                    models.JSONField(
                        blank=True,
                        editable=False,
                        help_text="The statements in the body as it came; none if it could not be read",
                        null=True,
                    ),
                ),
                (
                    "is_proven",
                    models.BooleanField(
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
                    models.PositiveIntegerField(default=0, help_text="Payments left for a later run"),
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
                (
                    "look_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="When the timer looks at the deadline",
                        null=True,
                    ),
                ),
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
            name="SavedCard",
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
                        default=checkout.payments.models.saved_card._card_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                (
                    "customer_reference",
                    models.CharField(help_text="The merchant's own id of its customer", max_length=64),
                ),
                (
                    "shopper",
                    models.CharField(
                        help_text="The name under which the provider knows the customer", max_length=64
                    ),
                ),
                ("sealed_token", models.TextField(blank=True)),
                (
                    "token_hash",
                    models.CharField(
                        help_text="A keyed hash by which the same token is known", max_length=64
                    ),
                ),
                (
                    "scheme_transaction",
                    models.CharField(
                        blank=True,
                        help_text="The card scheme's name of the payment that saved the card",
                        max_length=56,
                    ),
                ),
                ("brand", models.CharField(blank=True, max_length=30)),
                ("last4", models.CharField(max_length=4)),
                ("expiry", models.CharField(help_text="MM/YYYY, as printed on the card", max_length=7)),
                (
                    "valid_until",
                    models.DateField(blank=True, help_text="The last day of the token", null=True),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("removed", "Removed")],
                        default="active",
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                ("removed_by", models.CharField(blank=True, max_length=150)),
                ("token_to_delete", models.TextField(blank=True, default="")),
                ("deletion_due_at", models.DateTimeField(blank=True, null=True)),
                ("deletion_tries", models.PositiveSmallIntegerField(default=0)),
                ("deletion_asked_at", models.DateTimeField(blank=True, null=True)),
                (
                    "deleted_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When the provider said that it has no such token any more",
                        null=True,
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="saved_cards",
                        to="payments.merchant",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        help_text="With which it was saved last",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="saved_cards",
                        to="payments.payment",
                    ),
                ),
                (
                    "provider_account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="saved_cards",
                        to="payments.provideraccount",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "permissions": [("remove_savedcard", "Can remove saved cards")],
            },
        ),
        migrations.AddField(
            model_name="attempt",
            name="saved_card",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attempts",
                to="payments.savedcard",
            ),
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
                (
                    "operation",
                    models.CharField(
                        blank=True,
                        help_text="The operation's reference, if it waits for one",
                        max_length=40,
                    ),
                ),
                ("reply_to", models.CharField(max_length=255)),
                ("correlation_id", models.CharField(max_length=120)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ends_at", models.DateTimeField(help_text="The end of the wait")),
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
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                django.db.models.functions.text.Upper("order_reference"), name="payments_by_order_number"
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                django.db.models.functions.text.Upper("shopper_email"),
                models.F("merchant"),
                models.OrderBy(models.F("id"), descending=True),
                name="payments_by_email",
            ),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["amount_minor", "merchant", "-id"], name="payments_by_amount"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["merchant", "customer_reference", "-id"], name="payments_of_customer"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["merchant", "-id"], name="payments_of_merchant"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(fields=["merchant", "state", "-id"], name="payments_by_state"),
        ),
        migrations.AddIndex(
            model_name="payment",
            index=models.Index(
                condition=models.Q(("expires_at__isnull", False), ("state__in", ["open", "refused"])),
                fields=["expires_at"],
                name="payments_to_expire",
            ),
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
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["merchant", "-id"], name="events_of_merchant"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["merchant", "type", "-id"], name="events_by_type"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                fields=("payment", "sequence"), name="events_of_a_payment_are_numbered"
            ),
        ),
        migrations.AddIndex(
            model_name="paymentlink",
            index=models.Index(fields=["merchant", "-id"], name="links_of_merchant"),
        ),
        migrations.AddIndex(
            model_name="paymentlink",
            index=models.Index(fields=["order_reference"], name="links_by_order_number"),
        ),
        migrations.AddConstraint(
            model_name="paymentlink",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_reusable", True)),
                fields=("merchant", "order_reference"),
                name="a_reusable_link_has_its_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="postponedcomparison",
            constraint=models.UniqueConstraint(
                fields=("account", "payment"), name="a_comparison_is_postponed_once"
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
                condition=models.Q(("look_at__isnull", False)),
                fields=["look_at"],
                name="sagas_to_look_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="saga",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("deadline_at", None),
                    models.Q(("look_at__isnull", False), ("look_at__lte", models.F("deadline_at"))),
                    _connector="OR",
                ),
                name="deadlines_are_looked_at",
            ),
        ),
        migrations.AddConstraint(
            model_name="saga",
            constraint=models.UniqueConstraint(fields=("kind", "key"), name="a_saga_starts_once"),
        ),
        migrations.AddIndex(
            model_name="savedcard",
            index=models.Index(fields=["customer_reference", "merchant", "-id"], name="cards_of_customer"),
        ),
        migrations.AddIndex(
            model_name="savedcard",
            index=models.Index(fields=["token_hash"], name="cards_of_token"),
        ),
        migrations.AddIndex(
            model_name="savedcard",
            index=models.Index(
                condition=models.Q(("deletion_due_at__isnull", False)),
                fields=["deletion_due_at"],
                name="tokens_to_delete",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedcard",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "active")),
                fields=("provider_account", "token_hash"),
                name="one_active_card_per_token",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedcard",
            constraint=models.CheckConstraint(
                condition=models.Q(("state", "active"), ("sealed_token", ""), _connector="OR"),
                name="removed_card_has_no_token",
            ),
        ),
        migrations.AddConstraint(
            model_name="savedcard",
            constraint=models.CheckConstraint(
                condition=models.Q(("state", "removed"), ("token_to_delete", ""), _connector="OR"),
                name="active_card_keeps_its_token",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("last4", "card"), name="attempts_by_last_four"
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(
                condition=models.Q(("three_d_secure__status", "failed")),
                fields=["payment"],
                name="attempts_unauthenticated",
            ),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("payment", "number"), name="attempts_are_numbered"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["kind", "-created_at"], name="operations_by_kind"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["merchant", "-id"], name="operations_of_merchant"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["merchant", "kind", "state", "-id"], name="operations_by_state"),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(
                condition=models.Q(("state__in", ["requested", "pending", "unknown"])),
                fields=["payment"],
                name="operations_without_end",
            ),
        ),
        migrations.AddIndex(
            model_name="saga",
            index=models.Index(
                condition=models.Q(("status", "parked")), fields=["payment"], name="sagas_parked"
            ),
        ),
        migrations.AddIndex(
            model_name="providernotification",
            index=models.Index(
                condition=models.Q(("state__in", ["unmatched", "conflicted", "unreadable"])),
                fields=["state", "payment"],
                name="notifications_for_staff",
            ),
        ),
        migrations.AddIndex(
            model_name="fact",
            index=models.Index(
                condition=models.Q(("kind", "notified_other")),
                fields=["payment"],
                name="facts_of_other_events",
            ),
        ),
        migrations.CreateModel(
            name="Dispute",
            fields=[],
            options={
                "ordering": ["-created_at"],
                "proxy": True,
                "default_permissions": (),
                "permissions": [("handle_dispute", "Can record the reason of disputes, and add evidence")],
                "indexes": [],
                "constraints": [],
            },
            bases=("payments.payment",),
        ),
        migrations.CreateModel(
            name="ApprovalRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "matter",
                    models.CharField(
                        choices=[
                            ("money", "refunds and captures above an amount"),
                            ("settlement", "settling books"),
                            ("keys", "new API keys"),
                            ("accounts", "provider accounts"),
                        ],
                        max_length=12,
                    ),
                ),
                ("action", models.CharField(max_length=20)),
                ("what", models.CharField(max_length=300, verbose_name="what would happen")),
                ("amount_minor", models.BigIntegerField(blank=True, null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("content", models.JSONField(default=dict)),
                ("seen", models.TextField(blank=True)),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("key", models.CharField(max_length=100, unique=True)),
                ("requested_by", models.CharField(max_length=150)),
                ("requested_by_user", models.BigIntegerField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(default=checkout.payments.models.approval._expiry)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waits for approval"),
                            ("approved", "approved, and not carried out yet"),
                            ("done", "approved and done"),
                            ("declined", "declined"),
                            ("withdrawn", "withdrawn by its requester"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("decided_by", models.CharField(blank=True, max_length=150)),
                ("decided_by_user", models.BigIntegerField(blank=True, null=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                (
                    "decision_reason",
                    models.CharField(blank=True, max_length=300, verbose_name="reason of the decision"),
                ),
                ("outcome", models.CharField(blank=True, max_length=200)),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approval_requests",
                        to="payments.merchant",
                    ),
                ),
                (
                    "payment",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approval_requests",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "permissions": [
                    ("approve_money", "Can approve refunds, captures and settlements of others"),
                    ("approve_configuration", "Can approve API keys and provider accounts of others"),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state__in", ["waiting", "approved"])),
                        fields=["expires_at"],
                        name="requests_for_approval",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decided_by_user", None),
                            models.Q(("decided_by_user", models.F("requested_by_user")), _negated=True),
                            _connector="OR",
                        ),
                        name="nobody_approves_for_oneself",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["waiting", "withdrawn"]), ("decided_by_user", None)),
                            models.Q(
                                ("state__in", ["approved", "done", "declined"]),
                                ("decided_by_user__isnull", False),
                                ("decided_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="a_decision_has_its_decider",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state__in", ["approved", "done"]), _negated=True),
                            ("decided_at__lt", models.F("expires_at")),
                            _connector="OR",
                        ),
                        name="nothing_is_approved_after_its_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApprovalRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "matter",
                    models.CharField(
                        choices=[
                            ("money", "refunds and captures above an amount"),
                            ("settlement", "settling books"),
                            ("keys", "new API keys"),
                            ("accounts", "provider accounts"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        blank=True, help_text="Of refunds and captures; empty for other matters", max_length=3
                    ),
                ),
                (
                    "above_minor",
                    models.BigIntegerField(
                        default=0,
                        help_text="The largest amount that one member of staff may move, in minor units",
                        verbose_name="above",
                    ),
                ),
                (
                    "merchant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="approval_rules",
                        to="payments.merchant",
                    ),
                ),
            ],
            options={
                "verbose_name": "rule of approval",
                "verbose_name_plural": "rules of approval",
                "ordering": ["merchant", "matter", "currency"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("merchant", "matter", "currency"), name="a_matter_has_one_rule_of_approval"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("matter", "money"), models.Q(("currency", ""), _negated=True)),
                            models.Q(models.Q(("matter", "money"), _negated=True), ("currency", "")),
                            _connector="OR",
                        ),
                        name="only_money_has_a_currency",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("above_minor__gte", 0)), name="a_limit_is_not_negative"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DisputeRecord",
            fields=[
                (
                    "payment",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="dispute_record",
                        serialize=False,
                        to="payments.payment",
                    ),
                ),
                ("reason_code", models.CharField(blank=True, max_length=10)),
                ("deadline", models.DateField(blank=True, null=True)),
                ("is_answered", models.BooleanField(default=False)),
                ("told_by", models.CharField(max_length=150)),
                ("told_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Evidence",
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
                        default=checkout.payments.models.dispute._evidence_reference,
                        editable=False,
                        max_length=40,
                        unique=True,
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("media_type", models.CharField(max_length=40)),
                ("size", models.PositiveIntegerField(help_text="Bytes")),
                (
                    "digest",
                    models.CharField(help_text="SHA-256 of the content, in hexadecimal", max_length=64),
                ),
                ("description", models.CharField(blank=True, max_length=200)),
                ("added_by", models.CharField(max_length=150)),
                ("added_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "payment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="evidence",
                        to="payments.payment",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.UniqueConstraint(fields=("payment", "digest"), name="a_file_is_evidence_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="EvidenceContent",
            fields=[
                (
                    "evidence",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="content",
                        serialize=False,
                        to="payments.evidence",
                    ),
                ),
                ("content", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="StaffView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("user", models.PositiveBigIntegerField()),
                (
                    "table",
                    models.CharField(help_text="The list's table, as in payments.payment", max_length=60),
                ),
                ("name", models.CharField(blank=True, max_length=40)),
                (
                    "query",
                    models.CharField(blank=True, help_text="The list's address behind ?", max_length=1000),
                ),
                ("columns", models.JSONField(blank=True, default=list)),
            ],
            options={
                "ordering": ["name"],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "table", "name"), name="a_view_has_its_name_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="HourlyFigure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("currency", models.CharField(max_length=3)),
                ("name", models.CharField(max_length=40)),
                ("value", models.BigIntegerField()),
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
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "merchant", "currency", "name"), name="one_value_of_each_figure"
                    )
                ],
            },
        ),
        refuse_changes("payments_fact", allows_erasure=True),
        refuse_changes("payments_event", allows_erasure=True),
        decide_once("payments_approvalrequest"),
        divide_by_month("payments", "inboxmessage"),
        divide_by_month("payments", "outboxmessage"),
        trigram_index("payments_by_part_of_order", "payments_payment", "order_reference"),
        trigram_index("payments_by_part_of_email", "payments_payment", "shopper_email"),
        json_index("payments_by_metadata", "payments_payment", "metadata"),
        leave_out_pattern_indexes(),
    ]
