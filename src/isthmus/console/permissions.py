"""Which permission each route needs: the one place where this is said. A route that is not here cannot be served."""

from __future__ import annotations

from isthmus.app.access import Permission

__all__ = ["OPEN", "PERMISSIONS", "SIGNED_IN"]

OPEN = "open"
"""Anybody, signed in or not."""
SIGNED_IN = "signed in"
"""Anybody who is signed in."""

PERMISSIONS: dict[tuple[str, str], Permission | str] = {
    ("GET", "/static/{name:str}"): OPEN,
    ("GET", "/sign-in"): OPEN,
    ("POST", "/sign-in"): OPEN,
    ("GET", "/sign-in/provider"): OPEN,
    ("GET", "/sign-in/provider/back"): OPEN,
    ("POST", "/language"): OPEN,
    ("POST", "/sign-out"): SIGNED_IN,
    ("POST", "/theme"): SIGNED_IN,
    ("GET", "/me"): SIGNED_IN,
    ("POST", "/me/password"): SIGNED_IN,
    ("GET", "/"): Permission.SEE,
    ("GET", "/live"): Permission.SEE,
    ("GET", "/records"): Permission.SEE,
    ("GET", "/records/{item:str}"): Permission.SEE,
    ("GET", "/records/{item:str}/fields/{field:str}"): Permission.DECIDE,
    ("POST", "/records/{item:str}/fields/{field:str}"): Permission.DECIDE,
    ("GET", "/records/{item:str}/undo/{version:int}"): Permission.DECIDE,
    ("POST", "/records/{item:str}/undo/{version:int}"): Permission.DECIDE,
    ("GET", "/records/{item:str}/links"): Permission.DECIDE,
    ("GET", "/records/{item:str}/links/preview"): Permission.DECIDE,
    ("POST", "/records/{item:str}/links"): Permission.DECIDE,
    ("GET", "/record"): Permission.SEE,
    ("GET", "/inbox"): Permission.SEE,
    ("GET", "/inbox/{entry:str}"): Permission.SEE,
    ("POST", "/inbox/{entry:str}"): Permission.DECIDE,
    ("POST", "/inbox/{entry:str}/approve"): Permission.APPROVE,
    ("POST", "/inbox/{entry:str}/comment"): Permission.DECIDE,
    ("POST", "/inbox/{entry:str}/care"): Permission.DECIDE,
    ("POST", "/inbox/bulk"): Permission.DECIDE,
    ("GET", "/approvals"): Permission.SEE,
    ("GET", "/approvals/{id:str}"): Permission.SEE,
    ("POST", "/approvals/{id:str}"): Permission.APPROVE,
    ("GET", "/trace"): Permission.SEE,
    ("GET", "/systems"): Permission.SEE,
    ("POST", "/systems/{name:str}/pause"): Permission.ENGINEER,
    ("POST", "/systems/{name:str}/resume"): Permission.ENGINEER,
    ("GET", "/flows"): Permission.SEE,
    ("GET", "/flows/{name:str}"): Permission.SEE,
    ("GET", "/flows/{name:str}/plan"): Permission.SEE,
    ("POST", "/flows/{name:str}/plan"): Permission.DECIDE,
    ("GET", "/compare"): Permission.SEE,
    ("POST", "/compare"): Permission.DECIDE,
    ("POST", "/compare/repair"): Permission.ENGINEER,
    ("GET", "/jobs/{id:str}"): Permission.SEE,
    ("POST", "/jobs/{id:str}/stop"): Permission.DECIDE,
    ("GET", "/processes"): Permission.SEE,
    ("GET", "/processes/{id:str}"): Permission.SEE,
    ("POST", "/processes/{id:str}/retry"): Permission.ENGINEER,
    ("POST", "/processes/{id:str}/cancel"): Permission.ENGINEER,
    ("GET", "/people"): Permission.ADMIN,
    ("POST", "/people"): Permission.ADMIN,
    ("POST", "/people/{login:str}/roles"): Permission.ADMIN,
    ("POST", "/people/{login:str}/disable"): Permission.ADMIN,
    ("POST", "/people/{login:str}/sign-out"): Permission.ADMIN,
    ("GET", "/tokens"): Permission.ADMIN,
    ("POST", "/tokens"): Permission.ADMIN,
    ("POST", "/tokens/{id:str}/revoke"): Permission.ADMIN,
    ("GET", "/audit"): Permission.ADMIN,
}
