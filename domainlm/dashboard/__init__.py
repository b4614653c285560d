"""One page over the store: runs side by side, from general to domain, over time, down to the items that flipped."""
