"""Reads a whole project: every fault of every file is found in one go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from isthmus.desk.approval_rules import ApprovalRules
from isthmus.desk.mail_settings import MailSettings
from isthmus.desk.processes import BUNDLED
from isthmus.desk.repairing import RepairRules
from isthmus.errors import Misconfigured, Place
from isthmus.mapping.converters import Converter
from isthmus.model.entities import EntityType
from isthmus.model.flow import Flow
from isthmus.process import Definition
from isthmus.project.approvals import APPROVALS_FILE, read_approvals
from isthmus.project.code import load_code, load_processes
from isthmus.project.defaults import DefaultMapping
from isthmus.project.entities import read_entities
from isthmus.project.faults import Faults, ProjectErrors, nearest
from isthmus.project.flows import Example, World, check_refs, read_flow
from isthmus.project.nodes import Node, overlaid, plain, read_text
from isthmus.project.packs import Pack, known_packs, read_pack, renamed, systems_of
from isthmus.project.repairs import REPAIRS_FILE, read_repairs
from isthmus.project.settings import SETTINGS_FILE, HubSettings, PackUse, RawSystem, Settings, read_settings
from isthmus.project.shop import ShopSettings
from isthmus.project.sign_in import SignInSettings, read_sign_in
from isthmus.project.sources import FlowSource, own_source, pack_source
from isthmus.project.systems import ConfiguredSystem, bind
from isthmus.project.toml_file import read_toml
from isthmus.project.yaml_file import read_yaml

__all__ = ["ConnectorInfo", "Project", "load_project"]


class ConnectorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the project needs to know of a kind of system."""

    config: type[msgspec.Struct]
    """Configuration of one system; secrets are annotated, see :func:`~isthmus.project.bind`."""
    mapping: DefaultMapping | None = None
    """Its default mapping, see :func:`~isthmus.project.load_default_mapping`."""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """A user's project, checked."""

    folder: Path
    hub: HubSettings
    systems: Mapping[str, ConfiguredSystem]
    flows: Mapping[str, Flow]
    entities: Mapping[str, EntityType]
    converters: Mapping[str, Converter]
    """The project's own, by name."""
    examples: tuple[Example, ...] = ()
    processes: Mapping[str, Definition] = {}
    """By name."""
    approvals: ApprovalRules | None = None
    """None: the project has no approvals.yaml."""
    mail: MailSettings | None = None
    """None: the project sends no mail."""
    repairs: RepairRules | None = None
    """None: the project has no repairs.yaml."""
    sign_in: SignInSettings = SignInSettings()
    shop: ShopSettings = ShopSettings()
    sources: Mapping[str, FlowSource] = {}
    """Flow -> what it was read from."""


def load_project(
    folder: Path,
    environ: Mapping[str, str],
    connectors: Callable[[str], ConnectorInfo],
    kinds: Collection[str] = (),
    *,
    instead: Mapping[str, str | None] = {},
) -> Project:
    """Read and check the project in ``folder``; no network, nothing is written.

    ``connectors`` gives what is known of a kind; for one it does not know it raises :class:`LookupError` (``kinds``
    are then the known ones, for advice) or :class:`~isthmus.errors.Misconfigured`. ``instead`` gives other texts for
    some flow files (``flows/NAME.yaml``), None for those to leave out: what the project would be with them. Raises
    :class:`~isthmus.project.ProjectErrors` with everything that is wrong.
    """
    faults = Faults()
    path = folder / SETTINGS_FILE
    text = read_text(path, SETTINGS_FILE, faults) if path.exists() else None
    if text is None:
        message = f"There is no project in '{folder}': it has no {SETTINGS_FILE}."
        place = Place(SETTINGS_FILE)
        raise ProjectErrors(faults.found or [Misconfigured(message, place=place, advice="Make one by 'isthmus init'.")])
    root = read_toml(text, SETTINGS_FILE, faults)
    settings = Settings() if root is None else read_settings(root, folder, environ, known_packs(), faults)
    infos = _infos_of(settings.systems, connectors, kinds, faults)
    systems = {
        name: ConfiguredSystem(name=name, kind=system.kind, config=config, place=system.place)
        for name, system in settings.systems.items()
        if system.kind in infos
        and (config := bind(system, infos[system.kind].config, folder, environ, faults)) is not None
    }
    converters = load_code(folder, faults)
    processes = {**_bundled(settings, faults), **load_processes(folder, faults)}
    entities = read_entities([node for node, _ in _yaml_files(folder, "entities", faults)], faults)
    approvals, repairs = _approvals_of(folder, entities, faults), _repairs_of(folder, faults)
    flows: Mapping[str, Flow] = {}
    examples: tuple[Example, ...] = ()
    sources: Mapping[str, FlowSource] = {}
    # With a broken isthmus.toml no system is known, and every flow would be complained about.
    if root is not None:
        world = World(
            kinds={name: system.kind for name, system in settings.systems.items()},
            entities=entities,
            mappings={kind: info.mapping for kind, info in infos.items() if info.mapping is not None},
            converters=tuple(converters),
        )
        files = _yaml_files(folder, "flows", faults, instead)
        flows, examples, sources = _flows_of(files, settings, world, faults)
    sign_in = _sign_in_of(settings, flows, folder, environ, faults)
    faults.check()
    return Project(
        folder=folder,
        hub=settings.hub,
        systems=systems,
        flows=flows,
        entities=entities,
        converters=converters,
        examples=examples,
        processes=processes,
        approvals=approvals,
        mail=settings.mail,
        repairs=repairs,
        sign_in=sign_in or SignInSettings(),
        shop=settings.shop,
        sources=sources,
    )


def _sign_in_of(
    settings: Settings, flows: Mapping[str, Flow], folder: Path, environ: Mapping[str, str], faults: Faults
) -> SignInSettings | None:
    if settings.sign_in is None:
        return None
    own = {rule.role for flow in flows.values() for rule in flow.fields.values() if rule.role is not None}
    return read_sign_in(settings.sign_in, settings.hub.own_address, folder, environ, tuple(sorted(own)), faults)


def _bundled(settings: Settings, faults: Faults) -> dict[str, Definition]:
    """The processes that the packs in use switch on; one of the project's own of the same name takes its place."""
    used = [read_pack(use.name, faults) for use in settings.packs.values() if use.used]
    return {name: BUNDLED[name] for pack in used for name in pack.processes}


def _approvals_of(folder: Path, entities: Collection[str], faults: Faults) -> ApprovalRules | None:
    path = folder / APPROVALS_FILE
    text = read_text(path, APPROVALS_FILE, faults) if path.exists() else None
    root = None if text is None else read_yaml(text, APPROVALS_FILE, faults)
    return None if root is None else read_approvals(root, entities, faults)


def _repairs_of(folder: Path, faults: Faults) -> RepairRules | None:
    path = folder / REPAIRS_FILE
    text = read_text(path, REPAIRS_FILE, faults) if path.exists() else None
    root = None if text is None else read_yaml(text, REPAIRS_FILE, faults)
    return None if root is None else read_repairs(root, faults)


def _infos_of(
    systems: Mapping[str, RawSystem],
    connectors: Callable[[str], ConnectorInfo],
    kinds: Collection[str],
    faults: Faults,
) -> dict[str, ConnectorInfo]:
    infos: dict[str, ConnectorInfo] = {}
    for system in systems.values():
        if system.kind in infos:
            continue
        place = system.node.entries()["kind"].place
        try:
            infos[system.kind] = connectors(system.kind)
        except LookupError:
            faults.add(place, f"Unknown kind of system '{system.kind}'.", nearest(system.kind, kinds))
        except Misconfigured as error:
            for one in error.errors if isinstance(error, ProjectErrors) else (error,):
                faults.add(one.place or place, one.message, one.advice)
    return infos


def _yaml_files(
    folder: Path, name: str, faults: Faults, instead: Mapping[str, str | None] = {}
) -> list[tuple[Node, str]]:
    """The files of a folder of the project, each with its text."""
    nodes: list[tuple[Node, str]] = []
    found = {f"{name}/{path.name}" for path in (folder / name).glob("*.y*ml") if path.suffix in (".yaml", ".yml")}
    for file in sorted(found | {file for file, text in instead.items() if text is not None}):
        text = instead[file] if file in instead else read_text(folder / file, file, faults)
        node = None if text is None else read_yaml(text, file, faults)
        if node is not None and not node.is_map:
            faults.add(node.place, "The file must hold a mapping.")
        elif node is not None:
            nodes.append((node, text or ""))
    return nodes


def _flows_of(
    files: list[tuple[Node, str]], settings: Settings, world: World, faults: Faults
) -> tuple[dict[str, Flow], tuple[Example, ...], dict[str, FlowSource]]:
    packs = _Packs(settings, faults)
    roots = [root for file, _ in files if (root := packs.extended(file)) is not None]
    extended = {f"{plain(file).get('extends')}:{plain(file).get('flow')}" for file, _ in files}
    taken = packs.taken_in(extended)
    roots += taken
    sources = {str(plain(file).get("flow")): own_source(file, text, packs.below(file)) for file, text in files}
    sources |= {str(plain(root)["flow"]): pack_source(root) for root in taken}
    flows: dict[str, Flow] = {}
    examples: list[Example] = []
    places: dict[str, Place] = {}
    read: list[tuple[Flow, Node]] = []
    for root in roots:
        name = root.entries()["flow"].value if "flow" in root.entries() else None
        if isinstance(name, str):
            if name in places:
                faults.add(_name_place(root), f"Flow '{name}' exists already in {places[name]}.", _TWICE)
                continue
            places[name] = _name_place(root)
        result = read_flow(root, world, faults)
        if result is not None:
            read.append((result[0], root))
            flows[result[0].name] = result[0]
            examples.extend(result[1])
    broken = (set(places) - set(flows)) | packs.broken
    for flow, root in read:
        check_refs(flow, root, flows, broken, faults)
    return flows, tuple(examples), {name: sources[name] for name in flows}


_LEVELS = 3
"""How deep an extending flow is joined with the pack's: flow, system or field, and their keys; values are replaced."""

_TWICE = "To change a pack's flow add 'extends: PACK/FLOW'."


def _name_place(root: Node) -> Place:
    return root.entries()["flow"].place


class _Packs:
    """The packs of a project, each read once."""

    def __init__(self, settings: Settings, faults: Faults) -> None:
        self._settings, self._faults = settings, faults
        self._read: dict[str, tuple[Pack, Mapping[str, str] | None]] = {}
        self.broken: set[str] = set()
        """Flows that cannot be read because their pack cannot."""

    def _pack(self, name: str, place: Place) -> tuple[Pack, Mapping[str, str] | None]:
        if name not in self._read:
            pack = read_pack(name, self._faults)
            use = self._settings.packs.get(name)
            at = use.place if use else place
            names = systems_of(pack, use, self._settings.systems, at, self._faults)
            self._check_without(pack, use)
            if names is None:
                self.broken |= set(pack.flows)
            self._read[name] = pack, names
        return self._read[name]

    def _check_without(self, pack: Pack, use: PackUse | None) -> None:
        for flow in use.without if use else ():
            if flow not in pack.flows:
                at = use.node.entries()["without"].place if use and use.node else pack.place
                self._faults.unknown(at, f"flow of pack '{pack.name}'", flow, pack.flows)

    def extended(self, file: Node) -> Node | None:
        """A project's flow laid over the pack's flow that it extends; as it is when it extends none."""
        extends = file.entries().get("extends")
        if extends is None:
            return file
        name, _, flow = str(extends.value).partition("/")
        if name not in known_packs():
            self._faults.unknown(extends.place, "pack", name, known_packs())
            self._lose(file)
            return None
        pack, names = self._pack(name, extends.place)
        if flow not in pack.flows:
            self._faults.unknown(extends.place, f"flow of pack '{name}'", flow, pack.flows)
            self._lose(file)
            return None
        if names is None:
            self._lose(file)
            return None
        return overlaid(renamed(pack.flows[flow], names), file, _LEVELS)

    def below(self, file: Node) -> Node | None:
        """The pack's flow that a file extends, once it was read."""
        name, _, flow = str(plain(file).get("extends", "")).partition("/")
        return self._read[name][0].flows.get(flow) if name in self._read else None

    def _lose(self, file: Node) -> None:
        if "flow" in file.entries():
            self.broken.add(str(file.entries()["flow"].value))

    def taken_in(self, extended: Collection[str]) -> list[Node]:
        """Flows of the packs in use that the project neither leaves out nor extends."""
        roots: list[Node] = []
        for use in self._settings.packs.values():
            pack, names = self._pack(use.name, use.place)
            if use.used and names is not None:
                roots.extend(
                    renamed(flow, names)
                    for name, flow in pack.flows.items()
                    if name not in use.without and f"{use.name}/{name}:{name}" not in extended
                )
        return roots
