"""Who takes part in the sample: a shop for bicycles, its customers and suppliers. All names end in reserved domains (RFC 2606)."""

from dataclasses import dataclass

WORKSPACE = "Juniper Cycles (demo)"
OWNER = "demo@juniper.test"
DOMAIN, UNFINISHED_DOMAIN = "juniper.test", "juniper-outlet.test"
#: (address, name, role) of the owner's colleagues
COLLEAGUES = (
    ("robin@juniper.test", "Robin Sand", "admin"), ("kim@juniper.test", "Kim Ode", "agent"), ("lou@juniper.test", "Lou Berg", "viewer"),
)  # fmt: skip
#: local part -> display name and what it is for
MAILBOXES = {
    "orders": ("Orders", "Order mails of the shop and questions about them"),
    "support": ("Support", "Customers who need help"),
    "invoices": ("Invoices", "Suppliers' invoices; forwarded from orders"),
    "press": ("Press", "Paused while nobody reads it"),
}


@dataclass(frozen=True)
class Person:
    name: str
    address: str


CUSTOMERS = tuple(
    Person(name, address)
    for name, address in (
        ("Ines Lindgren", "ines@lindgren.example"), ("Oskar Holm", "oskar@holm.example"), ("Maya Okafor", "maya@okafor.example"),
        ("Jonas Weiß", "jonas@weiss.example"), ("Aiko Tanaka", "aiko@tanaka.example"), ("Léa Fournier", "lea@fournier.example"),
        ("Tomás Rey", "tomas@rey.example"), ("Priya Nair", "priya@nair.example"), ("Anna Kowalska", "anna@kowalska.example"),
    )
)  # fmt: skip
SUPPLIERS = (
    Person("Kedja AB", "faktura@kedja.example"), Person("Styrlager", "billing@styrlager.example"),
    Person("Lackhuset", "accounts@lackhuset.example"), Person("Parcel Service", "noreply@parcel.example"),
)  # fmt: skip
GOODS = ("City frame 54", "Drive package", "Lamp set", "Leather saddle", "Wheel 28\"", "Chain, 116 links", "Bell, brass", "Rack, rear")
