"""What every tap has to stand: the same checks for ours and for everybody else's."""

from headwater.testing.conformance.faults import FAULTS, Fault
from headwater.testing.conformance.subject import Subject, Vendor, subject_of, subjects

__all__ = ["FAULTS", "Fault", "Subject", "Vendor", "subject_of", "subjects"]
