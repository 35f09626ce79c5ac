"""A contract for import-linter that it has no type of its own for."""

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryOnly(Contract):
    """A package imports itself and the standard library, nothing else."""

    module = fields.ModuleField()

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Collect the imports that leave both."""
        package = self.module.name  # type: ignore[attr-defined]
        inside = {package, *graph.find_descendants(package)}
        strangers = {
            (importer, imported)
            for importer in inside
            for imported in graph.find_modules_directly_imported_by(importer)
            if imported not in inside and imported.partition(".")[0] not in sys.stdlib_module_names
        }
        return ContractCheck(kept=not strangers, metadata={"strangers": sorted(strangers)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print one line for each such import."""
        for importer, imported in check.metadata["strangers"]:
            output.print_error(f"{importer} imports {imported}")
