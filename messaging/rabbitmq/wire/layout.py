"""The layout of a frame: AMQP 0-9-1, sections 4.2.3 to 4.2.7, with RabbitMQ's errata."""

from struct import Struct

METHOD, HEADER, BODY = 1, 2, 3
FRAME_HEAD = Struct(">BHI")  # kind, channel, payload size
FRAME_END = 0xCE
OVERHEAD = FRAME_HEAD.size + 1

METHOD_ID = Struct(">I")  # class, method
BASIC_PUBLISH, BASIC_DELIVER = 0x3C0028, 0x3C003C
BASIC_ACK, BASIC_REJECT, BASIC_NACK = 0x3C0050, 0x3C005A, 0x3C0078

TAG_AND_BITS = Struct(">QB")  # a delivery tag, then the method's bits
CONTENT = Struct(">BHIHHQH")  # a frame's head, class, weight, body size, property flags
LONG = Struct(">I")
LONG_LONG = Struct(">q")

# Property flags. The properties of a message follow in this order, from the highest bit down.
CONTENT_TYPE, HEADERS, DELIVERY_MODE = 1 << 15, 1 << 13, 1 << 12
CORRELATION_ID, REPLY_TO, MESSAGE_ID = 1 << 10, 1 << 9, 1 << 7
TIMESTAMP, TYPE, USER_ID, APP_ID = 1 << 6, 1 << 5, 1 << 4, 1 << 3

# Kinds of values in a field table.
STRING, LONG_LONG_INT, BOOLEAN = b"S", b"l", b"t"
