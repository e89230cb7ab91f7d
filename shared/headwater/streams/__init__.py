"""Streams: what a tap describes its vendor with."""

from headwater.streams.base import Context, Record, Stream, StreamHost
from headwater.streams.graphql import GraphQLStream
from headwater.streams.rest import RESTStream

__all__ = ["Context", "GraphQLStream", "RESTStream", "Record", "Stream", "StreamHost"]
