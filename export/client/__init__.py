"""A client of TF Serving, and of servers that speak as it does; a load test."""
