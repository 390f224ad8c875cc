"""The parts of a page that the scripted browser reads."""

import pytest

from checkout.tryout.documents import UnexpectedPage, read_document

URL = "http://localhost:8000/checkout/pay_1/"


def form_of(html: str):
    (form,) = read_document(html, URL).forms
    return form


def test_hidden_fields_are_kept_and_what_is_typed_replaces_what_stood_there():
    form = form_of(
        '<form method="post" action="pay/"><input type="hidden" name="csrf" value="&amp;x">'
        '<input name="email" value="a@example.com"></form>'
    )
    assert (form.method, form.action) == ("POST", URL + "pay/")
    assert form.filled({"email": "b@example.com"}) == {"csrf": "&x", "email": "b@example.com"}


def test_controls_send_what_they_hold():
    form = form_of(
        '<form><input type="checkbox" name="yes" checked><input type="checkbox" name="no" value="1">'
        '<input type="radio" name="r" value="1"><input type="radio" name="r" value="2" checked>'
        '<select name="s"><option value="1">One<option value="2" selected>Two</select>'
        '<select name="first"><option value="1">One<option value="2">Two</select>'
        '<textarea name="t">so &lt; so</textarea><input name="off" value="1" disabled>'
        '<input value="nameless">'
        '<button name="b" value="1">Go</button><button type="button" name="c">No</button></form>'
    )
    assert form.fields == {"yes": "on", "r": "2", "s": "2", "first": "1", "t": "so < so"}
    assert form.filled({}, press=("b", "1"))["b"] == "1"


def test_a_form_without_method_and_action_gets_the_page_itself():
    form = form_of("<form></form>")
    assert (form.method, form.action) == ("GET", URL)


@pytest.mark.parametrize(
    ("inside", "is_for_people"),
    [
        ('<input type="hidden" name="a"><button>Continue</button>', False),
        ('<input type="hidden" name="a"><input type="submit" value="Continue">', False),
        ('<input type="hidden" name="a"><button name="choice" value="approve">Approve</button>', True),
        ('<input type="hidden" name="a"><input name="password">', True),
    ],
)
def test_a_form_that_leaves_nothing_to_a_person_is_told_apart(inside, is_for_people):
    assert form_of(f"<form>{inside}</form>").is_for_people is is_for_people


def test_a_browser_with_scripts_does_not_see_what_is_for_those_without():
    document = read_document(
        '<noscript><form action="/a"></form></noscript><template><form></form></template>'
        '<form action="/b"></form>',
        URL,
    )
    assert [form.action for form in document.forms] == ["http://localhost:8000/b"]


def test_fields_and_buttons_that_are_not_there_cannot_be_used():
    form = form_of('<form action="pay/"><button name="choice" value="fail">Fail</button></form>')
    with pytest.raises(UnexpectedPage, match="has no card"):
        form.filled({"card": "1"})
    with pytest.raises(UnexpectedPage, match="has no choice=approve"):
        form.filled({}, press=("choice", "approve"))


def test_scripts_and_data_attributes_are_found():
    document = read_document(
        '<script src="/static/a.js"></script><script>inline()</script>'
        '<body data-message="{&quot;a&quot;: 1}">',
        URL,
    )
    assert document.scripts == ["http://localhost:8000/static/a.js"]
    assert document.data == {"message": '{"a": 1}'}
