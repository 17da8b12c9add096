"""How the installation is: the checks behind `doctor`, the health page, what /readyz calls degraded, and the figures of /metrics."""
