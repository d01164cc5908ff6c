"""fairshrink measures how differently an image classifier treats groups of people and narrows the gap by shrinking it."""
