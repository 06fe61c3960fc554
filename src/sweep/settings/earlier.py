"""What a `config.yaml` of an earlier version lacks."""

from typing import Any

from sweep.settings.loss import DEFAULT_LOSS

# Sections that earlier versions did not have, with the values that stand for what these versions did.
SECTIONS_SINCE: dict[str, Any] = {"loss": DEFAULT_LOSS.model_dump(mode="json")}
