"""Owners, links, users and roles: who may do what to whom."""

from collections.abc import Callable

import pytest

from tests.identity_fixture import BASE_URL, agents, sign_in, who
from tests.store_fixture import Clock
from waystation import identity
from waystation.identity import BASE_URL as ADDRESS
from waystation.identity import OPERATOR, Identity, NotAllowed, NotFound
from waystation.model import PrincipalKind
from waystation.store import NameTaken, Store


@pytest.fixture
def fresh(store: Store, clock: Clock) -> Identity:
    return identity.build(store, base_url=BASE_URL, agents=agents, now=clock)


def test_the_first_run_makes_an_owner_and_a_link(fresh: Identity, store: Store) -> None:
    link = fresh.service.first_run(name="Ada@Example.com")
    assert link is not None
    assert link.url.startswith(f"{BASE_URL}/welcome/")
    assert len(link.url.rsplit("/", 1)[1]) >= 43
    owner = store.users.find("ada@example.com")
    assert owner is not None
    assert set(owner.roles) == {"owner", "member"}
    assert link.url not in repr(link)


def test_until_the_owner_has_signed_in_each_start_gives_a_link(fresh: Identity, store: Store) -> None:
    first, second = fresh.service.first_run(), fresh.service.first_run()
    assert first is not None
    assert second is not None
    assert first.url != second.url
    assert len(store.users.all()) == 1, "but only one owner"
    sign_in(fresh, first.user_name)
    assert fresh.service.first_run() is None


def test_the_owner_is_called_after_the_system_user(fresh: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "Grace")
    monkeypatch.setattr("socket.gethostname", lambda: "Desk")
    link = fresh.service.first_run()
    assert link is not None
    assert link.user_name == "grace@desk"


def test_a_container_without_users_still_gets_an_owner(
    fresh: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    link = fresh.service.first_run()
    assert link is not None
    assert link.user_name.startswith("owner@")


def test_the_address_is_noted_for_the_command_line(fresh: Identity, store: Store) -> None:
    link = fresh.service.first_run("http://elsewhere:81")
    assert link is not None
    assert link.url.startswith("http://elsewhere:81/welcome/")
    assert store.facts.get(ADDRESS) == "http://elsewhere:81"


@pytest.mark.parametrize(
    "base_url", ["gateway.example", "ftp://gateway.example", "https://", "https://g.example?x=1"]
)
def test_an_address_that_is_none_is_refused(store: Store, base_url: str) -> None:
    with pytest.raises(ValueError, match="own address"):
        identity.build(store, base_url=base_url, agents=agents)


def test_only_operators_make_links(home: Identity) -> None:
    owner = who(home, sign_in(home))
    with pytest.raises(NotAllowed):
        home.service.sign_in_link(by=owner)
    with pytest.raises(NotFound):
        home.service.sign_in_link("nobody@example.com", by=OPERATOR)


def test_names_are_taken_once(home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    with pytest.raises(NameTaken):
        home.service.add_user("BOB@example.com", by=OPERATOR)


def test_roles_are_known_ones(home: Identity) -> None:
    with pytest.raises(ValueError, match="the roles are owner, admin"):
        home.service.add_user("bob@example.com", by=OPERATOR, roles=["root"])


def test_S3_nobody_grants_what_they_do_not_hold(home: Identity) -> None:
    home.service.add_user("admin@example.com", by=OPERATOR, roles=["admin", "member"])
    admin = who(home, sign_in(home, "admin@example.com"))
    home.service.add_user("bob@example.com", by=admin, roles=["member"])
    with pytest.raises(NotAllowed):
        home.service.add_user("eve@example.com", by=admin, roles=["owner"])
    with pytest.raises(NotAllowed):
        home.service.disable_user("ada@example.com", by=admin)
    home.service.add_user("ci", by=OPERATOR, kind=PrincipalKind.SERVICE, roles=["owner"])
    with pytest.raises(NotAllowed):
        home.service.service_token("ci", by=admin)


@pytest.mark.parametrize("role", ["member", "auditor", "finance"])
def test_S3_other_roles_administer_nobody(home: Identity, role: str) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR, roles=[role])
    bob = who(home, sign_in(home, "bob@example.com"))
    if role == "auditor":
        assert home.service.users(by=bob)  # an auditor sees everybody, and changes nobody
    else:
        with pytest.raises(NotAllowed):
            home.service.users(by=bob)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: home.service.add_user("x@example.com", by=bob),
        lambda: home.service.disable_user("ada@example.com", by=bob),
        lambda: home.service.enable_user("ada@example.com", by=bob),
    )
    for attempt in attempts:
        with pytest.raises(NotAllowed):
            attempt()


def test_S3_roles_are_the_stores_word_not_the_tokens(home: Identity) -> None:
    """A token of half an hour ago may still say `admin`; the act asks the store."""
    home.service.add_user("admin@example.com", by=OPERATOR, roles=["admin"])
    admin = who(home, sign_in(home, "admin@example.com"))
    home.service.disable_user("admin@example.com", by=OPERATOR)
    with pytest.raises(NotAllowed):
        home.service.users(by=admin)


def test_the_last_owner_stays(home: Identity) -> None:
    with pytest.raises(NotAllowed, match="last owner"):
        home.service.disable_user("ada@example.com", by=OPERATOR)
    home.service.add_user("bob@example.com", by=OPERATOR, roles=["owner"])
    home.service.disable_user("ada@example.com", by=OPERATOR)


def test_people_get_no_service_tokens(home: Identity) -> None:
    with pytest.raises(NotAllowed, match="is a person"):
        home.service.service_token("ada@example.com", by=OPERATOR)


def test_acts_on_people_are_audited(home: Identity, store: Store) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    tokens = sign_in(home, "bob@example.com")
    assert tokens
    home.service.disable_user("bob@example.com", by=OPERATOR)
    home.service.enable_user("bob@example.com", by=OPERATOR)
    assert [(event.action, event.actor_name) for event in store.audit.since()][-5:] == [
        ("link.created", "operator"),
        ("session.opened", "bob@example.com"),
        ("session.revoked", "operator"),
        ("user.disabled", "operator"),
        ("user.enabled", "operator"),
    ]
