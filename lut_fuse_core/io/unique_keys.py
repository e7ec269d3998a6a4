"""YAML in which a repeated key is an error; the standard loader silently takes the last one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


class UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which refuses repeated keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping of the document; called by PyYAML.

        Raises:
            yaml.constructor.ConstructorError: If a key is repeated.
        """
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key}' is there twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """Parse a YAML document.

    Args:
        text: The document.

    Returns:
        Its content: dictionaries, lists and scalars.

    Raises:
        yaml.YAMLError: If it is not valid, or a key is repeated.
    """
    return yaml.load(text, UniqueKeyLoader)
