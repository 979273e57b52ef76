"""How hypothesis runs here, and where the helpers of the tests are found: `from core.worlds import …`, `from sim.simulator import …`."""

import os
import sys

from hypothesis import HealthCheck, Phase, settings

sys.path.insert(0, os.path.dirname(__file__))

# Every run draws anew (derandomize off); a failure prints the blob that draws it again (@reproduce_failure).
settings.register_profile(
    "jobd",
    derandomize=False,
    print_blob=True,
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "100")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
settings.load_profile("jobd")
