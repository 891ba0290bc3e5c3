"""The yardstick: direct, nginx, LiteLLM and Waystation under one workload, in one run. See README.md."""
