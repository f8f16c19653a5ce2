"""What owners have and do."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Date, DateTime, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from assay.upload.tables import Base


class UsageRow(Base):
    """What an owner has. Kept by a trigger on `files`, so that no way of adding or erasing a file can forget it."""

    __tablename__ = "usage"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    # Those found inside others included.
    files: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int] = mapped_column(BigInteger)
    # A day of UTC, and how many files were uploaded on it; those erased since included.
    day: Mapped[date] = mapped_column(Date)
    files_of_day: Mapped[int] = mapped_column(Integer)


class RateRow(Base):
    """When an owner's requests so far are paid off, at the pace that is allowed."""

    __tablename__ = "rates"

    owner_id: Mapped[str] = mapped_column(Text, primary_key=True)
    due: Mapped[datetime] = mapped_column(DateTime(timezone=True))
