"""From the proxies of a sweep to the share that is recommended: losses, law, band, picture."""
