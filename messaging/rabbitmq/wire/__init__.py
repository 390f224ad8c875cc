"""The frames that make up nearly all traffic, as bytes (AMQP 0-9-1, section 4.2).

pika builds several objects for each frame and takes them apart again, which is more than half of the cost
of a request to this process. Frames of any other form are left to pika.
"""
