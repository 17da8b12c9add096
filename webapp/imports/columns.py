"""Which column of a file goes into which field of a contact: found by equal names and common other ones, checked when somebody says so."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webapp.contacts.field_values import KEY
from webapp.contacts.fields import key_of
from webapp.contacts.models import CustomField
from webapp.contacts.values import NAMES, TEXTS
from webapp.core.errors import invalid
from webapp.mail.address import is_address

#: field -> how pages call it
FIELDS: dict[str, str] = {
    "email": "Email", "name": "Name", "first_name": "First name", "last_name": "Last name", "company": "Company", "phone": "Phone",
    "job_title": "Job title", "street": "Street", "city": "City", "state": "State or region", "postal_code": "Postal code",
    "country": "Country", "lead_score": "Lead score", "tags": "Tags", "subscribed": "Subscribed (can only end it)",
}  # fmt: skip
#: columns that hold plain text, with how many characters
LONGEST = {**NAMES, **TEXTS}
#: other names of columns, in lower case letters and digits
SYNONYMS = {
    "email": "emailaddress mail mailaddress emails primaryemail workemail emailaddress1 email1value correo correoelectronico courriel "
             "adressemail adresseemail emailadresse epost eposta indirizzoemail",
    "name": "fullname contactname displayname contact person subscribername nombre nom nome nombrecompleto vollstandigername",
    "first_name": "firstname fname forename givenname given first vorname prenom primernombre nomepr",
    "last_name": "lastname lname surname familyname family last nachname nomdefamille apellido apellidos cognome",
    "company": "companyname organization organisation organizationname org firm business account accountname firma empresa societe azienda",
    "phone": "phonenumber telephone tel mobile mobilephone cell cellphone phone1value telefon telefono telefone",
    "job_title": "jobtitle title position role jobrole occupation funktion cargo poste",
    "street": "streetaddress address1 addressline1 street1 mailingstreet strasse calle rue via",
    "city": "town locality mailingcity ort stadt ciudad ville citta cidade",
    "state": "region province county stateprovince stateregion mailingstate bundesland provincia",
    "postal_code": "postalcode zip zipcode postcode zippostalcode plz codigopostal codepostal cap",
    "country": "countryregion countryname mailingcountry land pais pays paese",
    "lead_score": "leadscore",
    "tags": "tag labels label keywords",
    "subscribed": "subscription subscriptionstatus issubscribed optin optedin emailmarketingstatus",
}  # fmt: skip
_KNOWN = {name.replace("_", ""): name for name in FIELDS} | {
    word: name for name, words in SYNONYMS.items() for word in words.split()
}  # fmt: skip
CUSTOM = "custom."


def plain(title: str) -> str:
    """A title without case, accents, blanks and signs."""
    bare = unicodedata.normalize("NFKD", title.casefold())
    return re.sub(r"[^a-z0-9]+", "", bare)


def guessed(titles: Sequence[str], custom: Sequence[CustomField], sample: Sequence[Sequence[str]] = ()) -> dict[str, str]:
    """title -> field, or "" for a column that is left out; each field once, equal names before others.

    sample  the first rows, which tell the addresses when no title does
    """
    own = {plain(text): CUSTOM + one.key for one in custom for text in (one.key, one.label, "custom" + one.key, "customfields" + one.key)}
    exact = {name.replace("_", ""): name for name in FIELDS}
    found = dict.fromkeys(titles, "")
    for known in (exact, own, _KNOWN):
        for title in titles:
            target = known.get(plain(title), "")
            if not found[title] and target and target not in found.values():
                found[title] = target
    if "email" not in found.values():
        for number, title in enumerate(titles):
            cells = [row[number].strip() for row in sample if number < len(row) and row[number].strip()]
            if cells and all(map(is_address, cells)):
                found[title] = "email"
                break
    return found


@dataclass
class Plan:
    """A mapping that was checked.

    places   field -> number of its column, from 0
    custom   key -> number of its column
    missing  key -> title, of custom fields that nobody defined yet
    """

    mapping: dict[str, str]
    places: dict[str, int] = field(default_factory=dict)
    custom: dict[str, int] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def checked(titles: Sequence[str], given: Mapping[str, Any], custom: Sequence[CustomField]) -> Plan:
    """What somebody said: title -> field, `custom.KEY`, `new` (a custom field named as the column) or nothing.

    raises  Invalid about mapping
    """
    unknown = [title for title in given if title not in titles]
    if unknown:
        raise invalid("mapping", f"The file has no column “{str(unknown[0])[:60]}”. It has: {', '.join(titles)[:500]}.")
    plan, known = Plan(dict.fromkeys(titles, "")), {one.key for one in custom}
    for number, title in enumerate(titles):
        target = _target(title, given.get(title))
        if not target:
            continue
        if target in plan.mapping.values():
            raise invalid("mapping", f"Two columns go to {target}. Choose one of them.")
        plan.mapping[title] = target
        if target.startswith(CUSTOM):
            key = target.removeprefix(CUSTOM)
            plan.custom[key] = number
            if key not in known:
                plan.missing[key] = title
        else:
            plan.places[target] = number
    if "email" not in plan.places:
        raise invalid("mapping", "No column is the email address. Map one of them to email.")
    return plan


def _target(title: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise invalid("mapping", f"“{title}” goes to a field by its name, such as \"email\".")
    if value == "new":
        return CUSTOM + key_of(title)
    for ahead in (CUSTOM, "custom_fields."):
        if value.startswith(ahead):
            key = value.removeprefix(ahead)
            if not KEY.match(key):
                raise invalid("mapping", f"“{key[:60]}” is no key of a custom field: lower case letters a to z, digits and _.")
            return CUSTOM + key
    if value not in FIELDS:
        raise invalid("mapping", f"There is no field “{value[:60]}”. Choose one of {', '.join(FIELDS)}, or custom.KEY.")
    return value
