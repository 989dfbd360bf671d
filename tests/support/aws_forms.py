"""A made-up service whose one operation takes and gives every form of the query protocol, and botocore's view of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import botocore.model

from brownout.identity.aws.protocol.shapes import ShapeTable

SCALARS = ("string", "integer", "long", "float", "double", "boolean", "timestamp", "blob")
MODEL: Mapping[str, Any] = {
    **{kind.capitalize(): {"type": kind} for kind in SCALARS},
    "Input": {
        "type": "structure",
        "members": {
            **{kind.capitalize(): {"shape": kind.capitalize()} for kind in SCALARS},
            "Renamed": {"shape": "String", "locationName": "other-name"},
            "Names": {"shape": "Names"},
            "Flat": {"shape": "Flat"},
            "FlatNamed": {"shape": "FlatNamed"},
            "Rows": {"shape": "Rows"},
            "Map": {"shape": "Map"},
            "NamedMap": {"shape": "NamedMap"},
            "FlatMap": {"shape": "FlatMap"},
        },
    },
    "Names": {"type": "list", "member": {"shape": "String", "locationName": "Name"}},
    "Flat": {"type": "list", "member": {"shape": "Integer"}, "flattened": True},
    "FlatNamed": {"type": "list", "member": {"shape": "Row", "locationName": "Item"}, "flattened": True},
    "Rows": {"type": "list", "member": {"shape": "Row"}},
    "Row": {"type": "structure", "members": {"A": {"shape": "String", "locationName": "a"}, "Deep": {"shape": "Names"}}},
    "Map": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "Integer"}},
    "NamedMap": {
        "type": "map",
        "key": {"shape": "String", "locationName": "K"},
        "value": {"shape": "Row", "locationName": "V"},
    },
    "FlatMap": {"type": "map", "key": {"shape": "String"}, "value": {"shape": "String"}, "flattened": True},
}
VALUES: Mapping[str, Any] = {
    "String": " a&b<c>\"é'漢 ",
    "Integer": -5,
    "Long": 2**40,
    "Double": 0.25,
    "Boolean": True,
    "Timestamp": 1893456000,
    "Blob": b"\x00\xff",
    "Renamed": "r",
    "Names": ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"],
    "Flat": [3, 2, 1],
    "FlatNamed": [{"A": "x", "Deep": ["y"]}, {"A": "z"}],
    "Rows": [{"A": "x"}, {"Deep": []}],
    "Map": {"k": 1, "l": 2},
    "NamedMap": {"k": {"A": "v"}},
    "FlatMap": {"k": "v", "l": "w"},
}
ORACLE = botocore.model.ServiceModel(
    {
        "metadata": {"protocol": "query", "apiVersion": "2020-01-01", "endpointPrefix": "x", "serviceId": "x"},
        "operations": {
            "Do": {
                "name": "Do",
                "http": {"method": "POST", "requestUri": "/"},
                "input": {"shape": "Input"},
                "output": {"shape": "Input", "resultWrapper": "DoResult"},
            }
        },
        "shapes": MODEL,
    }
)
EVERY_FORM = ShapeTable(MODEL)["Input"]
