"""What personal data is taken out of a domain's text, kind by kind, and by which placeholder; the rest stays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from domainlm.specs.spec import Mistake, Share, Spec
from domainlm.specs.uri import expanded

Placeholder = Annotated[str, Field(pattern=r"^<[A-Z][A-Z_]{1,30}>$", examples=["<EMAIL>"])]
"""Capitals and `_` in angle brackets: no pattern of any kind matches it, so that redacting twice changes nothing."""


class Kind(Spec):
    """What every kind of personal data has."""

    placeholder: Placeholder
    """What stands in its place."""


class UrlCredentialsSpec(Kind):
    """User and password in a URL: `https://user:password@host`."""

    placeholder: Placeholder = "<CREDENTIALS>"
    """What stands in its place."""


class SecretSpec(Kind):
    """Keys and tokens of known shapes, private keys, and what is assigned to a password, secret, token or key."""

    placeholder: Placeholder = "<SECRET>"
    """What stands in its place."""


class EmailSpec(Kind):
    """E-mail addresses, also with (at) or [at]."""

    placeholder: Placeholder = "<EMAIL>"
    """What stands in its place."""


class IbanSpec(Kind):
    """International bank account numbers: the length of their country, mod 97."""

    placeholder: Placeholder = "<IBAN>"
    """What stands in its place."""


class CardSpec(Kind):
    """Payment cards: Luhn's check digit, the prefix and length of an issuer."""

    placeholder: Placeholder = "<CARD>"
    """What stands in its place."""


class SsnSpec(Kind):
    """Social security numbers of the United States; also ITINs, where the text calls them so."""

    placeholder: Placeholder = "<SSN>"
    """What stands in its place."""


class MedicalRecordSpec(Kind):
    """Numbers that the text calls a medical record's, a chart's, a hospital's, a patient's or the NHS's."""

    placeholder: Placeholder = "<MEDICAL_RECORD>"
    """What stands in its place."""


class PassportSpec(Kind):
    """Passport numbers of the United States, where the text calls them so."""

    placeholder: Placeholder = "<PASSPORT>"
    """What stands in its place."""


class DriverLicenseSpec(Kind):
    """Numbers that the text calls a driver's licence's."""

    placeholder: Placeholder = "<DRIVER_LICENSE>"
    """What stands in its place."""


class IpSpec(Kind):
    """IPv4 and IPv6 addresses."""

    placeholder: Placeholder = "<IP>"
    """What stands in its place."""
    include_reserved: bool = False
    """Also private, loopback, link-local and documentation addresses, which are nobody's."""


class PhoneSpec(Kind):
    """Telephone and fax numbers: international ones, those of North America, others where the text calls them so."""

    placeholder: Placeholder = "<PHONE>"
    """What stands in its place."""


class NameSpec(Kind):
    """Names of persons, as a token classification model finds them."""

    placeholder: Placeholder = "<NAME>"
    """What stands in its place."""
    model: str = Field(min_length=1, examples=["./models/ner"])
    """A folder, relative to the project, with a Hugging Face model for token classification (config.json,
    model.safetensors, tokenizer.json); `${NAME}` is read from the environment. No code of it is run."""
    labels: tuple[str, ...] = Field(default=("PER", "PERSON"), min_length=1)
    """Its labels for persons, without B- and I-."""
    min_probability: Share = 0.5
    """Least probability of a person, summed over its labels, for a token to belong to a name."""


def label_kind(label: str) -> str:
    """A model's label without the prefix that says where in a name a token stands.

    >>> label_kind("B-PER"), label_kind("PERSON")
    ('PER', 'PERSON')
    """
    return label.removeprefix("B-").removeprefix("I-")


class RedactSpec(Spec):
    """Kinds of personal data by name; one that is not named stays. Of overlapping finds the kind named first wins."""

    url_credentials: UrlCredentialsSpec | None = None
    """User and password in a URL."""
    secret: SecretSpec | None = None
    """Keys, tokens, passwords."""
    email: EmailSpec | None = None
    """E-mail addresses."""
    iban: IbanSpec | None = None
    """International bank account numbers."""
    card: CardSpec | None = None
    """Payment card numbers."""
    ssn: SsnSpec | None = None
    """Social security numbers of the United States."""
    medical_record: MedicalRecordSpec | None = None
    """Medical record numbers."""
    passport: PassportSpec | None = None
    """Passport numbers of the United States."""
    driver_license: DriverLicenseSpec | None = None
    """Driver's licence numbers."""
    ip: IpSpec | None = None
    """IP addresses."""
    phone: PhoneSpec | None = None
    """Telephone numbers."""
    name: NameSpec | None = None
    """Names of persons, by a model."""

    @model_validator(mode="after")
    def _names_a_kind(self) -> Self:
        if not self.kinds():
            fix = "write `redact: {email: {}}`"
            raise Mistake("", got="no kind", want="at least one kind, or no `redact`", fix=fix, changes={"email": {}})
        return self

    def kinds(self) -> dict[str, Kind]:
        """The options of each kind that is on, in the order of precedence: the order of the fields above."""
        return {kind: chosen for kind in type(self).model_fields if (chosen := getattr(self, kind)) is not None}


def located(spec: RedactSpec, root: Path) -> RedactSpec:
    """`spec` with the absolute folder of its model, which is relative to the project `root` in the file."""
    if spec.name is None:
        return spec
    model = str((root / expanded(spec.name.model)).absolute())
    return spec.model_copy(update={"name": spec.name.model_copy(update={"model": model})})


ALL_PATTERNS = RedactSpec.model_validate({kind: {} for kind in RedactSpec.model_fields if kind != "name"})
"""Every kind that needs no model."""
