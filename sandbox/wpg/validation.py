"""The grammar of the messages that the sandbox understands. The provider refuses all other messages.

Elements that are not here, such as addresses and risk data, are allowed where the grammar has them, and are
not checked inside. The text of a refusal is that of juspay/hyperswitch#11660: "The content of element type …
must match …".
"""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from sandbox.errors import RequestRefused

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TOKEN = re.compile(r"[\w.:-]+")
_ATTRIBUTE = re.compile(r"(?P<name>\w+)(?P<required>!?)(?P<token>:token)?(?:=(?P<values>\S+))?")
_AMOUNTS = "amount, cashbackAmount?, gratuityAmount?, (secondaryAmount|surchargeAmount)?, donationAmount?"
_AFTER_SHOPPER = (
    "shippingAddress?, billingAddress?, hostPaymentOrderAttribute?, branchSpecificExtension?,"
    " extendedOrderDetail?, redirectPageAttribute?, paymentMethodAttribute*, echoData?, statementNarrative?,"
    " hcgAdditionalData?, thirdPartyData?, resultURL?, shopperAdditionalData?, approvedAmount?, mandate?,"
    " authorisationAmountStatus?, dynamic3DS?, accountUpdaterRequest?, (createToken|createTokenApproval)?,"
    " orderLines?, (subMerchantData|instalmentProvider)?, typeOfDigitalCurrency?, rampData?,"
    " serviceLocationData?, dynamicMCC?, partialAuthorisation?, dynamicInteractionType?,"
    " primeRoutingRequest?, riskData?, additional3DSData?, exemption?, shippingMethod?, productSku?,"
    " FraudSightData?, deviceSession?, (dynamicCurrencyConversion|dynamicCurrencyConversionOffer)?,"
    " overrideNarrative?, GuaranteedPaymentsData?, delivery?, fundingTransfer?, externalProcessor?,"
    " processBatchTime?, occurredAt?"
)
_AFTER_INSTRUMENT = (
    "sdwoData?, MVV?, retailerCountry?, foreignRetailerCountry?, storedCredentials?, localDateTimeAtPOS?,"
    " session?, info3DSecure?, captcha?, existingAuthorisationCode?, routingMID?, additionalCOFData?,"
    " businessApplication?, instalmentPlan?, selectedScheme?, schemeTransactionIdentifier?"
)
_CARD = "cardNumber, expiryDate, cardHolderName"
_AFTER_CARD = "cvc?, cardAddress?, cardSwipe?, comboCard?"
_BRAND = f"{_CARD}, {_AFTER_CARD}, purposeOfPaymentCode?"
_PREFERENCES = (
    "noPreference|noChallengeRequested|challengeRequested|challengeMandated|TRAAlreadyPerformed|dataOnly"
)
_REASONS = (
    "NA|REAUTH|UNSCHEDULED|DELAYED|INSTALMENT|INCREMENTAL|RECURRING|RESUBMISSION|NOSHOW|FIRSTINCREMENTAL"
    "|PARTIALSHIPMENT"
)
_BOOLEAN = "true|false"
_SCOPE = "tokenScope=shopper|merchant"
# An element has its children, in their order, and its attributes: `!` marks required ones, `:token` a text
# without blanks, `=` the allowed values. `instrument` stands for any element, because a card has dozens of
# names.
GRAMMAR = {
    "paymentService": (
        "submit|modify|inquiry|reply|notify|verify",
        "version!=1.4|1.3|1.2|1.1|1.0 merchantCode:token",
    ),
    "submit": (
        "order|orderBatch|shopper|futurePayAgreement|makeFuturePayPayment|identifyMeRequest|paymentTokenCreate"
        "|challenge|createAccessToken",
        "",
    ),
    "order": (
        f"((description, {_AMOUNTS}, risk?, orderContent?, orderChannel?, checkoutId?,"
        f" (paymentMethodMask|paymentDetails|payAsOrder), paymentTokenID?, shopper?, {_AFTER_SHOPPER})"
        "|(info3DSecure, session)), e2eIdentity?",
        "orderCode agreementId:token shoppingBasketCode installationId:token shopperLanguageCode:token"
        f" fixContact={_BOOLEAN} hideContact={_BOOLEAN} captureDelay",
    ),
    "amount": ("", "value!:token currencyCode!:token exponent!=0|2|3 debitCreditIndicator=debit|credit"),
    "paymentDetails": (
        f"(({_CARD}, (cvc|issueNumber|startDate)?)|(cardSwipe, cvc?)|instrument), {_AFTER_INSTRUMENT}",
        "action=AUTHORISE|REFUND|OFFLINEAUTHORISE|ACCOUNTVERIFICATION|SALE|AUTHENTICATE",
    ),
    "CSE-DATA": ("encryptedData, cardAddress?", ""),
    "CARD-SSL": (f"{_CARD}, {_AFTER_CARD}, birthDate?, password?, BRN?", ""),
    "VISA-SSL": (_BRAND, ""),
    "ECMC-SSL": (_BRAND, ""),
    "TOKEN-SSL": (
        "(paymentTokenID, paymentInstrument?)|(cvc, session)",
        f"tokenType=XiSecure|OmniToken|STS {_SCOPE} captureCvc={_BOOLEAN}",
    ),
    "expiryDate": ("date", ""),
    "date": ("", "dayOfMonth:token month!:token year!:token hour:token minute:token second:token"),
    "storedCredentials": (
        "schemeTransactionIdentifier?, supplementaryId?, isConsumerConsentReceived?",
        f"usage!=NA|FIRST|USED merchantInitiatedReason={_REASONS}"
        " customerInitiatedReason=RECURRING|UNSCHEDULED|INSTALMENT|FIRSTINCREMENTAL",
    ),
    "session": ("", "shopperIPAddress:token id:token"),
    "info3DSecure": (
        "(paResponse|(mpiProvider, mpiResponse)|attemptedAuthentication|completedAuthentication"
        "|(threeDSVersion?, merchantName?, xid?, dsTransactionId?, cavv?, eci?, threeRI?,"
        " delegatedAuthentication?, transactionStatusReason?, transactionStatus?, challengeCancelIndicator?,"
        " networkScore?, cardBrand?, cavvAlgorithm?))?",
        f"challengePreference={_PREFERENCES} authenticationOutage=true"
        " effectiveAuthenticationType=challenge|frictionless|frictionlessDelegated",
    ),
    "completedAuthentication": ("", ""),
    "shopper": (
        "shopperEmailAddress?, authenticatedShopperID?, bankAccount?, browser?, transactionTimeOut?,"
        " session?, shopperDocuments?, shopperDetails?, shopperToken?",
        "",
    ),
    "browser": (
        "acceptHeader?, userAgentHeader?, httpAcceptLanguage?, httpReferer?, activeHeaders?, timeZone?,"
        " resolution?, browserLanguage?, macAddress?, browserJavaEnabled?, browserJavaScriptEnabled?,"
        " browserColourDepth?, browserScreenHeight?, browserScreenWidth?",
        "deviceType=0|1|2|3 deviceOS=ios|android|windows|linux|osx|other",
    ),
    "createToken": (
        "tokenEventReference?, tokenReason?, shortLifeMins?, paymentTokenExpiry?, selectedScheme?",
        f"{_SCOPE} tokenOptIn=silent|notify|ask",
    ),
    "additional3DSData": (
        "merchantName?, threeRIData?",
        "dfReferenceId threeDSSessionId challengeWindowSize=250x400|390x400|500x600|600x400|fullPage"
        f" challengePreference={_PREFERENCES}|SCAAlreadyPerformed javaScriptEnabled={_BOOLEAN}"
        " externalAcquirerId deviceChannel=Browser|SDK returnURL",
    ),
    "modify": (
        "orderModification|batchModification|accountBatchModification|futurePayAgreementModification"
        "|paymentTokenUpdate|paymentTokenDelete|deleteNetworkPaymentToken",
        "",
    ),
    "orderModification": (
        "cancel|capture|provideCryptogram|refund|revoke|addBackOfficeCode|authorise|increaseAuthorisation"
        "|cancelOrRefund|defend|shopperWebformRefundDetails|extendExpiryDate|cancelRefund|cancelRetry|voidSale"
        "|approve",
        "orderCode!",
    ),
    "capture": (
        "localDateTimeAtPOS?, date?, amount, surchargeAmount?, branchSpecificExtension?, POSCaptureRequest?,"
        " shipping?, orderLines?, splitFunded?, e2eIdentity?, processBatchTime?, occurredAt?",
        f"reference instant={_BOOLEAN} sequenceNumber totalCount merchantCode countryCode",
    ),
    "cancel": (
        "amount?, localDateTimeAtPOS?, (POSRequest|POSReversal)?, occurredAt?, e2eIdentity?",
        f"immediate=yes|no instant={_BOOLEAN} merchantCode reference",
    ),
    "refund": (
        "amount, (secondaryAmount|surchargeAmount)?, branchSpecificExtension?, reason?, description?, iban?,"
        " warning?, orderLines?, splitFunded?, e2eIdentity?, processBatchTime?, occurredAt?",
        f"reference paymentId immediate={_BOOLEAN} shopperWebformRefund={_BOOLEAN} fastRefund={_BOOLEAN}"
        f" allowAutoFastSlowRouting={_BOOLEAN} routeFailedFastToSlow={_BOOLEAN} merchantCode",
    ),
    "paymentTokenDelete": (
        "paymentTokenID, authenticatedShopperID?, tokenEventReference?, tokenReason?",
        _SCOPE,
    ),
    "inquiry": (
        "orderInquiry|klarnaConfirmationInquiry|batchInquiry|accountBatchInquiry|refundableAmountInquiry"
        "|shopperAuthentication|priceInquiry|bankAccountInquiry|identifyMeInquiry|paymentOptionsInquiry"
        "|cardAuthenticationCapabilitiesInquiry|paymentTokenInquiry|shopperTokenRetrieval|cardCheckInquiry"
        "|echeckInquiry|bankDetailsInquiry|retrieveInstalmentPlans|cardHolderNameInquiry|balanceCheckInquiry"
        "|cardBinInquiry|walletDecryptionInquiry",
        "",
    ),
    "orderInquiry": ("(cardSearch?|dateSearch?)", f"orderCode paymentId instant update={_BOOLEAN}"),
    "dateSearch": ("fromDate, untilDate", "journalTypeFilter"),
    "fromDate": ("date", ""),
    "untilDate": ("date", ""),
}


@dataclass(frozen=True, slots=True)
class _Attribute:
    """An attribute. `values` lists the allowed values; without it, any text is allowed, or any token."""

    name: str
    is_required: bool
    is_token: bool
    values: tuple[str, ...]

    def allows(self, value: str) -> bool:
        if self.values:
            return value.strip() in self.values
        return not self.is_token or _TOKEN.fullmatch(value.strip()) is not None


@dataclass(frozen=True, slots=True)
class _Rule:
    """The grammar of one element."""

    model: str
    children: re.Pattern[str]
    attributes: dict[str, _Attribute]


def _rule(model: str, attributes: str) -> _Rule:
    def child(name: re.Match[str]) -> str:
        return r"(?:\S+ )" if name[0] == "instrument" else f"(?:{name[0]} )"

    return _Rule(
        model,
        re.compile(_NAME.sub(child, model.replace(" ", "")).replace(",", "")),
        {
            found["name"]: _Attribute(
                found["name"],
                is_required=bool(found["required"]),
                is_token=bool(found["token"]),
                values=tuple(found["values"].split("|")) if found["values"] else (),
            )
            for found in _ATTRIBUTE.finditer(attributes)
        },
    )


_RULES = {name: _rule(*grammar) for name, grammar in GRAMMAR.items()}


def check(root: Element) -> None:
    """Raise RequestRefused (2) unless a message follows the part of the grammar that is written here."""
    if root.tag != "paymentService":
        raise _refused("the root element must be paymentService")
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if (rule := _RULES.get(element.tag)) is not None:
            _check_element(element, rule)
            waiting.extend(element)


def _check_element(element: Element, rule: _Rule) -> None:
    if not rule.children.fullmatch("".join(f"{child.tag} " for child in element)):
        must = f'match "({rule.model})"' if rule.model else "be empty"
        raise _refused(f'The content of element type "{element.tag}" must {must}')
    if any((text or "").strip() for text in (element.text, *(child.tail for child in element))):
        raise _refused(f'The content of element type "{element.tag}" has text')
    for name, value in element.items():
        attribute = rule.attributes.get(name)
        if attribute is None:
            raise _refused(f'Attribute "{name}" must be declared for element type "{element.tag}"')
        if not attribute.allows(value):
            raise _refused(
                f'Attribute "{name}" of element type "{element.tag}" has a value that is not allowed'
            )
    for attribute in rule.attributes.values():
        if attribute.is_required and attribute.name not in element.attrib:
            raise _refused(f'Attribute "{attribute.name}" is required for element type "{element.tag}"')


def _refused(reason: str) -> RequestRefused:
    return RequestRefused(2, f"Invalid XML: {reason}")
