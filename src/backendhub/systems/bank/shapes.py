"""Bodies that third parties send (Open Banking UK 4.0). What the bank does not act on is kept and sent back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Header
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

Short = Annotated[str, Field(min_length=1, max_length=35)]
Scheme = Literal["UK.OBIE.IBAN", "UK.OBIE.SortCodeAccountNumber", "UK.OBIE.BBAN", "UK.OBIE.PAN", "UK.OBIE.Paym", "UK.OBIE.Wallet"]  # fmt: skip
Any_ = dict[str, Any]


def _moment(text: str) -> str:
    """An ISO 8601 time with an offset. Kept as it came, because it is sent back."""
    try:
        if datetime.fromisoformat(text).tzinfo is not None and "T" in text:
            return text
    except ValueError:
        pass
    raise PydanticCustomError("date_time", "this is no date and time with an offset")


Moment = Annotated[str, AfterValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Key = Annotated[str, Header(min_length=1, max_length=40, pattern=r"^\S(.*\S)?$")]


class Closed(BaseModel):
    """An object without other members than these."""

    model_config = ConfigDict(extra="forbid")


class Amount(Closed):
    """A decimal string and a currency."""

    Amount: str = Field(pattern=r"^[0-9]{1,13}(\.[0-9]{1,5})?$")
    Currency: str = Field(pattern=r"^[A-Z]{3}$")


class Named(Closed):
    """An account by its identification."""

    SchemeName: Scheme
    Identification: str = Field(min_length=1, max_length=256)
    Name: str = Field(default_factory=str, min_length=1, max_length=350)
    SecondaryIdentification: str = Field(default_factory=str, min_length=1, max_length=34)
    Proxy: Any_ = Field(default_factory=dict)


class CreditorNamed(Named):
    """An account that is paid; it has a name."""

    Name: str = Field(min_length=1, max_length=350)


class Remittance(BaseModel):
    """What the creditor is told."""

    Structured: list[Any_] = Field(default_factory=list)
    Unstructured: list[Annotated[str, Field(min_length=1, max_length=140)]] = Field(default_factory=list)


class Initiation(Closed):
    """One payment."""

    InstructionIdentification: Short
    EndToEndIdentification: Short
    LocalInstrument: str = ""
    InstructedAmount: Amount
    DebtorAccount: Named = Field(default_factory=lambda: Named.model_construct())
    CreditorAgent: Any_ = Field(default_factory=dict)
    CreditorAccount: CreditorNamed
    CreditorPostalAddress: Any_ = Field(default_factory=dict)
    UltimateCreditor: Any_ = Field(default_factory=dict)
    UltimateDebtor: Any_ = Field(default_factory=dict)
    RegulatoryReporting: list[Any_] = Field(default_factory=list, max_length=10)
    RemittanceInformation: Remittance = Field(default_factory=Remittance)
    SupplementaryData: Any_ = Field(default_factory=dict)


class ScheduledInitiation(Closed):
    """One payment at a time."""

    InstructionIdentification: Short
    EndToEndIdentification: Short = Field(default_factory=str)
    LocalInstrument: str = ""
    RequestedExecutionDateTime: Moment
    InstructedAmount: Amount
    DebtorAccount: Named = Field(default_factory=lambda: Named.model_construct())
    CreditorAccount: CreditorNamed
    CreditorPostalAddress: Any_ = Field(default_factory=dict)
    UltimateCreditor: Any_ = Field(default_factory=dict)
    UltimateDebtor: Any_ = Field(default_factory=dict)
    RegulatoryReporting: list[Any_] = Field(default_factory=list, max_length=10)
    RemittanceInformation: Remittance = Field(default_factory=Remittance)
    SupplementaryData: Any_ = Field(default_factory=dict)


class Rhythm(BaseModel):
    """How often a standing order pays."""

    Type: Literal["DAIL", "WEEK", "FRTN", "MNTH", "QURT", "MIAN", "YEAR"]
    CountPerPeriod: int = 1
    PointInTime: str = Field(default_factory=str, max_length=2)


class Mandate(BaseModel):
    """When a standing order pays."""

    MandateIdentification: str = ""
    Classification: str = ""
    CategoryPurposeCode: str = ""
    FirstPaymentDateTime: Moment
    RecurringPaymentDateTime: Moment = Field(default_factory=str)
    FinalPaymentDateTime: Moment = Field(default_factory=str)
    Frequency: Rhythm
    Reason: str = ""


class StandingInitiation(Closed):
    """A payment that repeats."""

    RemittanceInformation: Remittance = Field(default_factory=Remittance)
    NumberOfPayments: str = Field(default_factory=str, pattern=r"^[1-9][0-9]{0,5}$")
    FirstPaymentAmount: Amount
    RecurringPaymentAmount: Amount = Field(default_factory=lambda: Amount.model_construct())
    FinalPaymentAmount: Amount = Field(default_factory=lambda: Amount.model_construct())
    DebtorAccount: Named = Field(default_factory=lambda: Named.model_construct())
    CreditorAccount: CreditorNamed
    UltimateCreditor: Any_ = Field(default_factory=dict)
    UltimateDebtor: Any_ = Field(default_factory=dict)
    RegulatoryReporting: list[Any_] = Field(default_factory=list, max_length=10)
    MandateRelatedInformation: Mandate
    SupplementaryData: Any_ = Field(default_factory=dict)


class AccessData(BaseModel):
    """What a third party wants to read."""

    Permissions: list[str] = Field(min_length=1)
    ExpirationDateTime: Moment | None = None
    TransactionFromDateTime: Moment | None = None
    TransactionToDateTime: Moment | None = None


class NoRisk(Closed):
    """An empty object."""


class AccessIn(Closed):
    """A request for account access."""

    Data: AccessData
    Risk: NoRisk


class PaymentConsentData(Closed):
    """What a third party wants to pay."""

    ReadRefundAccount: Literal["No", "Yes"] = "No"
    Initiation: Initiation
    Authorisation: Any_ = Field(default_factory=dict)
    SCASupportData: Any_ = Field(default_factory=dict)


class PaymentConsentIn(Closed):
    """A request to pay once."""

    Data: PaymentConsentData
    Risk: Any_


class PaymentData(Closed):
    """The payment, as it was consented to."""

    ConsentId: str = Field(min_length=1, max_length=128)
    Initiation: Initiation


class PaymentIn(Closed):
    """An order to pay."""

    Data: PaymentData
    Risk: Any_


class ScheduledConsentData(Closed):
    """What a third party wants to have paid, and when."""

    Permission: Literal["Create"]
    ReadRefundAccount: Literal["No", "Yes"] = "No"
    Initiation: ScheduledInitiation
    Authorisation: Any_ = Field(default_factory=dict)
    SCASupportData: Any_ = Field(default_factory=dict)


class ScheduledConsentIn(Closed):
    """A request to pay at a time."""

    Data: ScheduledConsentData
    Risk: Any_


class ScheduledData(Closed):
    """The scheduled payment, as it was consented to."""

    ConsentId: str = Field(min_length=1, max_length=128)
    Initiation: ScheduledInitiation


class ScheduledIn(Closed):
    """An order to schedule it."""

    Data: ScheduledData
    Risk: Any_


class StandingConsentData(Closed):
    """The standing order that a third party wants to set up."""

    Permission: Literal["Create"]
    ReadRefundAccount: Literal["No", "Yes"] = "No"
    Initiation: StandingInitiation
    Authorisation: Any_ = Field(default_factory=dict)
    SCASupportData: Any_ = Field(default_factory=dict)


class StandingConsentIn(Closed):
    """A request to set up a standing order."""

    Data: StandingConsentData
    Risk: Any_


class StandingData(Closed):
    """The standing order, as it was consented to."""

    ConsentId: str = Field(min_length=1, max_length=128)
    Initiation: StandingInitiation


class StandingIn(Closed):
    """An order to set it up."""

    Data: StandingData
    Risk: Any_


def sent(model: BaseModel) -> dict[str, Any]:
    """A body as it came: no member that was not there."""
    return model.model_dump(exclude_unset=True)
