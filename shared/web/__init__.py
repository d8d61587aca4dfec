"""Pages, allowed hosts and origins, security headers, assets."""
