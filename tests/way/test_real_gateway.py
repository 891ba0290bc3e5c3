"""way against the real gateway, as a newcomer meets it: install, sign in, look around, sign out."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.gateway import RunningGateway, running_gateway
from tests.way.conftest import COMMAND, Laptop

BROWSER = """\
# A person at a browser that the welcome link has signed in: opens what it is given and presses Approve.
import http.cookiejar, html.parser, json, sys, urllib.parse, urllib.request
jar = http.cookiejar.LWPCookieJar({jar!r})
try: jar.load(ignore_discard=True)
except OSError: pass
browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

class Form(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.action, self.fields = None, {{}}
    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "form" and self.action is None: self.action = given.get("action")
        if tag == "input" and given.get("type") == "hidden": self.fields[given["name"]] = given.get("value", "")

def press(address, **more):
    form = Form()
    form.feed(browser.open(address).read().decode())
    assert form.action, "there is nothing to press"
    target = urllib.parse.urljoin(address, form.action)
    data = urllib.parse.urlencode(form.fields | more).encode()
    page = browser.open(urllib.request.Request(target, data, {{"Sec-Fetch-Site": "same-origin"}})).read().decode()
    jar.save(ignore_discard=True)
    return page

print(press(sys.argv[1], **json.loads(sys.argv[2]) if len(sys.argv) > 2 else {{"decision": "approve"}}))
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path_factory.mktemp("real") / "data") as started:
        yield started


def link(gateway: RunningGateway) -> str:
    told: dict[str, Any] = json.loads(gateway.command("sign-in-link", "--json").stdout)
    return str(told["url"])


def browser(laptop: Laptop, gateway: RunningGateway) -> Path:
    path = laptop.tool("test-browser", BROWSER.format(jar=str(laptop.home / "cookies")))
    subprocess.run([path, link(gateway), "{}"], check=True, capture_output=True)
    return path


def refresh_token(laptop: Laptop) -> str:
    return str(laptop.secrets()["refresh_token"])


def test_by_browser_then_tokens_then_out(laptop: Laptop, gateway: RunningGateway) -> None:
    laptop.env["BROWSER"] = str(browser(laptop, gateway))
    done = laptop.way("login", gateway.url)
    assert done.returncode == 0, done.stderr
    first, spent = laptop.way("token").stdout, refresh_token(laptop)

    laptop.let_token_age(10)
    second = laptop.way("token").stdout
    assert second != first
    assert refresh_token(laptop) != spent, "rotated"

    assert laptop.way("logout").returncode == 0
    request = urllib.request.Request(
        f"{gateway.url}/api/v1/me", headers={"Authorization": f"Bearer {second.strip()}"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 401, "signed out there as well"


def test_by_device_code(laptop: Laptop, gateway: RunningGateway) -> None:
    person = browser(laptop, gateway)
    process = laptop.start("login", gateway.url, "--device")
    assert process.stderr is not None
    shown = process.stderr.readline() + process.stderr.readline()
    code = shown.split()[-1]
    subprocess.run([person, f"{gateway.url}/device?user_code={code}"], check=True, capture_output=True)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "Signed in to" in out


def test_by_the_link_and_everything_is_in_order(laptop: Laptop, gateway: RunningGateway) -> None:
    assert laptop.way("login", link(gateway)).returncode == 0
    done = laptop.way("doctor", "--wire", "--json")
    found = json.loads(done.stdout)["checks"]
    assert {check["verdict"] for check in found if check["name"] != "tools"} == {"ok"}, found
    wires = [check for check in found if check["name"].startswith("wire")]
    assert len(wires) == 8, "one for each tool"
    assert all("events" in check["said"] for check in wires)


def test_a_sign_in_that_was_ended_elsewhere_says_so(laptop: Laptop, gateway: RunningGateway) -> None:
    laptop.way("login", link(gateway))
    token = laptop.way("token").stdout.strip()
    told = json.loads(
        urllib.request.urlopen(
            urllib.request.Request(f"{gateway.url}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
        ).read()
    )
    address = f"{gateway.url}/api/v1/sessions/{told['session']['id']}"
    urllib.request.urlopen(
        urllib.request.Request(address, method="DELETE", headers={"Authorization": f"Bearer {token}"})
    )
    done = laptop.way("token", "--caller", "1")
    assert done.stdout.strip() == token, "way cannot know yet"
    again = laptop.way("token", "--caller", "1")  # the tool was refused and asks again
    assert again.returncode == 3
    assert "has ended; run `way login`" in again.stderr


def test_many_ways_at_once_do_not_sign_each_other_out(laptop: Laptop, gateway: RunningGateway) -> None:
    laptop.way("login", link(gateway))
    laptop.let_token_age(-1)
    running = [laptop.start("token") for _ in range(8)]
    tokens = {process.communicate(timeout=60)[0] for process in running}
    assert len(tokens) == 1
    assert len(tokens.pop()) > 100
    laptop.let_token_age(-1)
    assert laptop.way("token").returncode == 0, "the family of refresh tokens is alive"


def test_a_tool_behind_the_relay_streams_from_the_gateway(laptop: Laptop, gateway: RunningGateway) -> None:
    laptop.way("login", link(gateway))
    laptop.tool(
        "opencode",
        "import json, os, time, urllib.request\n"
        "config = json.loads(os.environ['OPENCODE_CONFIG_CONTENT'])\n"
        "options = next(iter(config['provider'].values()))['options']\n"
        "provider, _, model = config['model'].partition('/')\n"
        "body = {'model': next(iter(config['provider']['waystation']['models'])), 'stream': True,\n"
        "        'messages': [{'role': 'user', 'content': 'hello'}]}\n"
        "options = config['provider']['waystation']['options']\n"
        "request = urllib.request.Request(options['baseURL'] + '/chat/completions', json.dumps(body).encode(),\n"
        "    {'Authorization': 'Bearer ' + options['apiKey'], 'Content-Type': 'application/json'})\n"
        "print(urllib.request.urlopen(request).read().decode())\n",
    )
    done = laptop.way("opencode")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("data: [DONE]")


def test_starting_way_is_quick_enough_not_to_be_noticed(laptop: Laptop, gateway: RunningGateway) -> None:
    """Generous: machines that run tests are loaded. The figures that matter are in the docs."""
    laptop.way("login", link(gateway))
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([*COMMAND, "token"], env=laptop.env, capture_output=True, check=True)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5, f"{took} on {sys.platform}"
