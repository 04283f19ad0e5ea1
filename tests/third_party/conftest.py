"""The package's own tests are not ours: they need it installed."""

collect_ignore = ["spivae-gbm"]
