"""The bill of materials of the image, CycloneDX 1.6 as JSON: Python distributions, Debian packages, the model.

A script of the build alone: it runs in an environment of its own (requirements-sbom.txt), which the image does not
keep.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from email.parser import Parser
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

DISTRIBUTION = "bookworm"


def python_distributions(environment: Path) -> list[Component]:
    """The distributions installed in a virtual environment, by cyclonedx-py."""
    command = [str(Path(sys.executable).with_name("cyclonedx-py")), "environment", "--sv", "1.6", str(environment)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return list(Bom.from_json(json.loads(listed)).components)


def debian_packages(dpkg: Path) -> list[Component]:
    """The packages that a folder like /var/lib/dpkg names as installed."""
    command = ["dpkg-query", f"--admindir={dpkg}", "--show", "--showformat=${Package}\t${Version}\t${Architecture}\n"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return [_debian(*line.split("\t")) for line in lines]


def _debian(name: str, version: str, architecture: str) -> Component:
    purl = PackageURL("deb", "debian", name, version, {"arch": architecture, "distro": DISTRIBUTION})
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
        licenses=[DisjunctiveLicense(name=licence) for licence in sorted(_debian_licences(name))],
    )


def _debian_licences(name: str) -> set[str]:
    """Short names in a machine-readable copyright file (Debian's DEP-5); none where the file is prose."""
    path = Path("/usr/share/doc", name, "copyright")
    text = path.read_text("utf-8", errors="replace") if path.is_file() else ""
    if not text.startswith("Format:"):
        return set()
    paragraphs = (Parser().parsestr(part) for part in re.split(r"\n\s*\n", text))
    return {str(found).splitlines()[0].strip() for part in paragraphs if (found := part.get("License"))} - {""}


def model(metadata: Path) -> Component:
    """The network with its checksum, from the metadata of its folder."""
    told = json.loads(metadata.read_text("utf-8"))
    onnx = told["breast_pcr"]["onnx"]
    return Component(
        name=f"breast-pcr model {told['name']}",
        version=told["version"],
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=f"model-{told['name']}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=onnx["sha256"])],
        licenses=[DisjunctiveLicense(id="CC-BY-NC-4.0")],
    )


def main() -> None:
    """Write the bill of materials, checked against the schema of CycloneDX."""
    parser = argparse.ArgumentParser()
    for name in ("environment", "dpkg", "software", "model", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    bom = Bom()
    found = re.search(r'^__version__ = "([^"]+)"', options.software.read_text("utf-8"), re.MULTILINE)
    bom.metadata.component = Component(
        name="breast-pcr",
        version=found.group(1) if found else None,
        type=ComponentType.CONTAINER,
        bom_ref="breast-pcr",
        licenses=[LicenseExpression("Apache-2.0")],
    )
    for component in (
        *python_distributions(options.environment),
        *debian_packages(options.dpkg),
        model(options.model),
    ):
        bom.components.add(component)
        bom.register_dependency(bom.metadata.component, [component])
    written = JsonV1Dot6(bom).output_as_string(indent=1)
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(written)
    if problem is not None:
        raise SystemExit(f"the bill of materials does not follow the schema: {problem}")
    options.out.write_text(written, "utf-8")


if __name__ == "__main__":
    main()
