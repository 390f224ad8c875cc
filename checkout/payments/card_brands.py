"""The names of card schemes, by their codes in our records."""

SCHEMES = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "American Express",
    "maestro": "Maestro",
    "jcb": "JCB",
    "diners": "Diners Club",
    "discover": "Discover",
    "cartes_bancaires": "Cartes Bancaires",
    "dankort": "Dankort",
    "unionpay": "UnionPay",
}
