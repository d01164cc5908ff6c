"""What users call to measure: arrays or a predictions file in, scores by group and gaps with their chance level out."""

from fairshrink.audit.compare import compare
from fairshrink.audit.comparison import AttributeComparison, Change, Comparison, adjust
from fairshrink.audit.core import audit
from fairshrink.audit.record import AttributeAudit, Audit, Gap

__all__ = [
    "AttributeAudit",
    "AttributeComparison",
    "Audit",
    "Change",
    "Comparison",
    "Gap",
    "adjust",
    "audit",
    "compare",
]
