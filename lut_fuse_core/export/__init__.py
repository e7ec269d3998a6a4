"""Where fused recordings go next: data sets of other tools, and the Rerun viewer."""
