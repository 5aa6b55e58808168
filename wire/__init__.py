"""What both ends of the wire must agree on: contracts, cursor, elements, codec, channels, errors, seams."""
