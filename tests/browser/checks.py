"""What is to be seen in a browser. Each check is a function of the stage and the browser; what it asserts is all that it says."""

import pathlib

import approving

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
# How pages are looked at: by name, the theme and the size of the window.
LOOKS = {"light": ("light", DESK), "dark": ("dark", DESK), "phone": ("light", PHONE), "phone-dark": ("dark", PHONE)}
LARGEST = 150_000  # bytes of a picture


def log_in(stage, browser, role, **how):
    browser.open(**how)
    browser.goto(url=f"{stage.place}/")
    assert "/login?next=%2F" in browser.url(), browser.url()
    browser.fill(label="Token", text=stage.tokens[role])
    browser.click(role="button", name="Log in")
    assert browser.url() == f"{stage.place}/", browser.url()


def sound(browser, where):
    """No rule of axe is broken, and the browser itself has nothing to say."""
    violations = browser.axe()
    assert not violations, f"{where}: " + "\n".join(f"{each['id']}: {each['help']}\n    " + "\n    ".join(each["nodes"][:4]) for each in violations)
    complaints = browser.complaints()
    assert not complaints, f"{where}: {complaints}"


def what_is_wrong_would_be_found(stage, browser):
    """An image that nobody can read, words that nobody can see, and a script that the policy forbids."""
    log_in(stage, browser, "viewer")
    browser.evaluate(expression="""document.querySelector('main').innerHTML += '<img src="/assets/none"><p id=pale>pale</p>';
        document.getElementById('pale').style.color = '#ddd'; document.getElementById('pale').style.background = '#fff'""")
    found = {each["id"] for each in browser.axe()}
    assert found >= {"image-alt", "color-contrast"}, found
    browser.complaints()
    browser.evaluate(expression="document.body.appendChild(document.createElement('script')).textContent = 'document.title = 1'")
    assert any("Content Security Policy" in each for each in browser.complaints()) and browser.evaluate(expression="document.title") != "1"


def pages(stage):
    """Every page there is, by the name of its picture."""
    record = stage.api("audit?database=shop&migration=0003&decision=defer&limit=1")["records"][0]["id"]
    migration = next(link for link in stage.links(f"/records/{record}") if link.startswith("/migrations/"))
    return {
        "sessions": "/",
        "migrations": "/migrations",
        "migration": migration,
        "record": f"/records/{record}",
        "work": "/work",
        "refusals": "/refusals?since=24h",
        "approvals": "/approvals",
        "approval": f"/approvals/{stage.fingerprints['said']}",
        "approve": f"/approvals/{stage.fingerprints['waits']}",
        "search": "/search?database=shop&tool=alembic",
        "nothing": "/records/999-1",
    }


def every_page_is_sound_in_every_look(stage, browser, quick=False, pictures=None):
    looks = {"light": LOOKS["light"]} if quick else LOOKS
    for look, (theme, size) in looks.items():
        # Who decides sees more.
        log_in(stage, browser, "approver", theme=theme, **size)
        for name, path in pages(stage).items():
            status = browser.goto(url=stage.place + path)
            assert status == (404 if name == "nothing" else 200), f"{path}: {status}"
            browser.until(expression="document.documentElement.dataset.ready === 'yes'")
            if name == "nothing":
                browser.complaints()  # of the 404 itself
            sound(browser, f"{name}, {look}")
            assert browser.count(selector="h1") == 1, name
            too_wide = browser.evaluate(expression="document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert too_wide <= 0, f"{name}, {look}: {too_wide} pixels too wide"
            if pictures and name != "nothing" and look != "phone-dark":
                picture = pathlib.Path(pictures) / f"{name}-{look}.png"
                bytes_ = browser.screenshot(path=str(picture))
                assert bytes_ < LARGEST, f"{picture.name} has {bytes_} bytes"


def pages_show_what_happened(stage, browser):
    log_in(stage, browser, "viewer")
    shown = {}
    for name, path in pages(stage).items():
        browser.goto(url=stage.place + path)
        shown[name] = browser.text(selector="main")
    for name, words in {
        "sessions": ["COMMIT held back", "waiting for a lock", "in the way: pid", "public.parcels", "idle in transaction", "Flyway", "CREATE INDEX CONCURRENTLY"],
        "migrations": ["alembic", "applied", "work after COMMIT failed", "work after COMMIT open", "0004", "shop", "up"],
        "migration": ["COMMIT, and after it", "Locks: from the statement", "Its transaction: committed"],
        "record": ["What was sent", "Findings", "it belongs to alembic"],
        "work": ["failed", "orders_buyer_idx", "pgairlock deferred run", "pgairlock deferred drop", "It is being done now"],
        "refusals": ["rename-column", "drop-column", "postgres", "deployer", "refused statements"],
        "approvals": ["waits for a person", "approved", "drop-column", "deployer, waits"],
        "approval": ["3 of 3 left", "known by token", "unread since March", "ADD COLUMN origin"],
        "approve": ["Why it was refused", "Nobody yet", "Who has the role approver decides here"],
        "search": ["Older ones" if "Older ones" in shown["search"] else "Decisions", "CREATE INDEX", "alembic 0002"],
    }.items():
        for each in words:
            assert each.lower() in shown[name].lower(), f"{name} does not say {each!r}:\n{shown[name]}"
    assert browser.evaluate(expression="document.querySelectorAll('progress').length >= 0")


def somebody_logs_in_and_out(stage, browser):
    browser.open()
    browser.goto(url=f"{stage.place}/work")
    sound(browser, "the login")
    browser.fill(label="Token", text="wrong")
    browser.click(role="button", name="Log in")
    assert "That is no token" in browser.text(), browser.text()
    browser.complaints()  # of the 403 itself
    sound(browser, "the login after a wrong token")
    browser.fill(label="Token", text=stage.tokens["viewer"])
    browser.click(role="button", name="Log in")
    assert browser.url() == f"{stage.place}/work", "where one wanted to go"
    (cookie,) = browser.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict"), cookie
    assert "vera (viewer)" in browser.text()
    browser.click(role="button", name="Log out")
    assert browser.url() == f"{stage.place}/login" and browser.cookies() == []
    browser.goto(url=f"{stage.place}/work")
    assert "/login" in browser.url()
    log = stage.proxy.last_lines(400)
    assert '"event":"admin_login"' in log and '"name":"vera"' in log, log
    assert not any(token in log for token in stage.tokens.values()), "a token stands in the log"


def a_viewer_changes_nothing(stage, browser):
    send = "fetch('/approvals/00000000/approve', {method: 'POST', body: new URLSearchParams({csrf: document.querySelector('[name=csrf]').value})}).then((a) => a.status)"
    log_in(stage, browser, "viewer")
    assert browser.evaluate(expression=send) == 403
    log_in(stage, browser, "approver")
    assert browser.evaluate(expression=send) == 404, "who decides is let through to whatever there is"


def keys_alone_will_do(stage, browser):
    focused = "(() => { const e = document.activeElement; return [e.tagName, e.textContent.trim(), getComputedStyle(e).outlineStyle, e.id]; })()"
    log_in(stage, browser, "viewer")
    browser.goto(url=f"{stage.place}/search")
    browser.press(key="Tab")
    tag, text, outline, _ = browser.evaluate(expression=focused)
    assert (tag, text) == ("A", "Skip to the content") and outline != "none", (tag, text, outline)
    browser.press(key="Enter")
    browser.until(expression="document.activeElement.id === 'main'")
    browser.press(key="Tab")
    assert browser.evaluate(expression=focused)[3] == "sql", "behind the navigation comes the first field"
    browser.type(text="create index")
    browser.press(key="Enter")
    browser.until(expression="location.search.includes('sql=create+index')")
    browser.goto(url=f"{stage.place}/")
    seen = []
    for _ in range(9):
        browser.press(key="Tab")
        tag, text, outline, _ = browser.evaluate(expression=focused)
        assert outline != "none", f"{tag} {text} does not show that it has the focus"
        seen.append(text)
    assert ["Skip to the content", "pgairlock", "Sessions", "Migrations", "After-commit work", "Refusals", "Approvals", "Search", "Log out"] == seen, seen


def a_filter_and_the_theme_work_while_typing(stage, browser):
    log_in(stage, browser, "viewer")
    rows = "[...document.querySelectorAll('[data-live] tbody tr')].filter((row) => !row.hidden).length"
    all_ = browser.evaluate(expression=rows)
    browser.fill(label="Filter", text="parcels lock")
    browser.until(expression=f"{rows} === 1")
    assert all_ > 1 and f"1 of {all_} shown" in browser.text()
    browser.fill(label="Filter", text="")
    browser.until(expression=f"{rows} === {all_}")
    background = "getComputedStyle(document.body).backgroundColor"
    light = browser.evaluate(expression=background)
    browser.click(role="button", name="Dark")
    dark = browser.evaluate(expression=background)
    assert light != dark
    browser.goto(url=f"{stage.place}/refusals")
    assert browser.evaluate(expression=background) == dark, "it stays"


def pages_renew_themselves(stage, browser):
    log_in(stage, browser, "viewer")
    with stage.leaving("crm", "newcomer") as session:
        session.execute("SELECT 1")
        browser.until(expression="document.body.innerText.includes('newcomer')")
    browser.until(expression="!document.body.innerText.includes('newcomer')")
    browser.click(role="button", name="Pause updates")
    assert browser.count(role="button", name="Resume updates") == 1
    assert not browser.complaints()


def no_script_is_needed(stage, browser):
    log_in(stage, browser, "viewer", script=False)
    for name, path in pages(stage).items():
        browser.goto(url=stage.place + path)
        assert browser.count(selector="h1") == 1, name
        assert browser.count(selector="button:visible") == (2 if name == "search" else 1), f"{name}: buttons that do nothing"
    browser.goto(url=f"{stage.place}/search")
    browser.fill(label="Rule", text="rename-column")
    browser.click(role="button", name="Search")
    assert "RENAME" in browser.text(selector="main").upper()
    browser.click(role="button", name="Log out")
    assert "/login" in browser.url()


CHECKS = (
    approving.a_click_lets_the_migration_pass_once,
    approving.an_approval_that_expired_lets_nothing_pass,
    approving.another_literal_or_role_is_another_statement,
    approving.what_is_taken_back_lets_nothing_pass,
    approving.two_persons_are_two,
    approving.a_rolled_back_run_does_not_use_it,
    what_is_wrong_would_be_found,
    somebody_logs_in_and_out,
    a_viewer_changes_nothing,
    pages_show_what_happened,
    every_page_is_sound_in_every_look,
    keys_alone_will_do,
    a_filter_and_the_theme_work_while_typing,
    pages_renew_themselves,
    no_script_is_needed,
)
