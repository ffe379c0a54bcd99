"""From benchmark folders to manifests to batches."""
