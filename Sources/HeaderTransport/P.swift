enum PlaceholderHeaderTransport {}
