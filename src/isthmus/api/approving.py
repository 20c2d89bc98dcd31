"""``/approve/{token}``: where links in mails lead. Opening the page decides nothing, because mail scanners open links;
its button does. Whoever has the link may answer: it is signed, for one person, one question, one choice and a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from jinja2 import Environment, StrictUndefined
from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body, FromPath

from isthmus.app.approvals import decide_approval, view_of
from isthmus.app.bootstrap import clock
from isthmus.app.mailing import link_secret
from isthmus.desk.approval_state import ApprovalRequest, RequestState
from isthmus.errors import AlreadyDecided, NeedsPerson, NotEntitled, TooLate
from isthmus.mail.links import Link, read_link
from isthmus.store import PostgresStore

__all__ = ["approval_routes"]

LARGEST_FORM = 16 * 1024
LONGEST_COMMENT = 2000

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


@dataclass
class Answer:
    """The form."""

    comment: str = ""


def approval_routes(store: PostgresStore) -> list[HTTPRouteHandler]:
    """The handlers of the page."""

    async def opened(token: str) -> Link | None:
        return read_link(token, await link_secret(store), clock())

    @get("/approve/{token:str}", exclude_from_auth=True)
    async def show(token: FromPath[str], request: Request[Any, Any, Any]) -> Response[str]:
        language = _language(request)
        link = await opened(token)
        if link is None:
            return _page(language, "unknown", status=404)
        try:
            found = (await view_of(store, link.request)).request
        except NeedsPerson:
            return _page(language, "unknown", status=404)
        if found.state is not RequestState.OPEN or (found.stage, found.escalated) != (link.stage, link.escalated):
            return _page(language, "over", link, found, status=409)
        return _page(language, "question", link, found)

    @post(
        "/approve/{token:str}",
        exclude_from_auth=True,
        exclude_from_csrf=True,
        status_code=200,
        request_max_body_size=LARGEST_FORM,
    )
    async def answer(
        token: FromPath[str],
        request: Request[Any, Any, Any],
        data: Annotated[Answer, Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> Response[str]:
        language = _language(request)
        link = await opened(token)
        if link is None:
            return _page(language, "unknown", status=404)
        try:
            found = await decide_approval(
                store,
                link.request,
                by=link.person,
                choice=link.choice,
                via="mail",
                comment=data.comment[:LONGEST_COMMENT],
                asked_at=(link.stage, link.escalated),
                now=clock(),
            )
        except (AlreadyDecided, TooLate) as error:
            return _page(language, "over", link, told=error.message, status=409)
        except NotEntitled as error:
            return _page(language, "over", link, told=error.message, status=403)
        except NeedsPerson:
            return _page(language, "unknown", status=404)
        return _page(language, "thanks", link, found)

    return [show, answer]


def _language(request: Request[Any, Any, Any]) -> str:
    wanted = request.query_params.get("lang") or request.headers.get("accept-language") or ""
    return "zh" if wanted.lower().startswith("zh") else "en"


def _page(
    language: str,
    what: str,
    link: Link | None = None,
    found: ApprovalRequest | None = None,
    *,
    told: str = "",
    status: int = 200,
) -> Response[str]:
    text = _template().render(
        words=_WORDS[language],
        language=language,
        what=what,
        link=link,
        request=found,
        told=told,
        longest=LONGEST_COMMENT,
    )
    return Response(text, status_code=status, media_type="text/html; charset=utf-8", headers=_HEADERS)


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string((files("isthmus.api") / "approving.html").read_text(encoding="utf-8"))


_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "other": "中文",
        "approve": "Approve",
        "refuse": "Refuse",
        "question_approve": "Do you approve this?",
        "question_refuse": "Do you refuse this?",
        "comment": "Comment (may be empty)",
        "as": "You answer as",
        "number": "Number",
        "amount": "Amount",
        "requester": "Requested by",
        "due": "Due",
        "thanks_approve": "Thank you. You have approved this.",
        "thanks_refuse": "Thank you. You have refused this.",
        "over": "There is nothing to decide here any more.",
        "unknown": "This link is not valid, or its time is over.",
        "unknown_more": "Open the request in the console, or ask whoever requested it.",
    },
    "zh": {
        "other": "English",
        "approve": "同意",
        "refuse": "拒绝",
        "question_approve": "您确定同意吗？",
        "question_refuse": "您确定拒绝吗？",
        "comment": "意见（可不填）",
        "as": "审批人",
        "number": "编号",
        "amount": "金额",
        "requester": "申请人",
        "due": "截止时间",
        "thanks_approve": "谢谢，您已同意。",
        "thanks_refuse": "谢谢，您已拒绝。",
        "over": "此事项已无需处理。",
        "unknown": "链接无效或已过期。",
        "unknown_more": "请在控制台中打开该申请，或联系申请人。",
    },
}
