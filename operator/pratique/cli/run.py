"""``pratique run``: the operator itself."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    kubeconfig: Annotated[
        str | None,
        typer.Option(envvar="KUBECONFIG", help="Which cluster; inside a pod its own."),
    ] = None,
    library_namespace: Annotated[
        str,
        typer.Option(
            envvar="PRATIQUE_LIBRARY_NAMESPACE",
            help="Where references are looked up that stand not beside their user.",
        ),
    ] = "pratique-system",
    host: Annotated[
        str, typer.Option(envvar="PRATIQUE_HOST", help="Address of /healthz, /readyz, /metrics.")
    ] = "0.0.0.0",  # noqa: S104 - the kubelet and Prometheus ask from outside
    port: Annotated[
        int, typer.Option(envvar="PRATIQUE_PORT", min=0, max=65535, help="Their port.")
    ] = 8080,
    log_format: Annotated[
        str, typer.Option(envvar="PRATIQUE_LOG_FORMAT", help="json or text.")
    ] = "json",
    log_level: Annotated[
        str, typer.Option(envvar="PRATIQUE_LOG_LEVEL", help="DEBUG, INFO, WARNING or ERROR.")
    ] = "INFO",
) -> None:
    """Run the operator until SIGTERM."""
    if log_format not in ("json", "text"):
        raise typer.BadParameter(f"{log_format!r} is not a format: say json or text")
    from ..controller.app import serve
    from ..controller.settings import Settings

    serve(
        Settings(
            kubeconfig=kubeconfig,
            library_namespace=library_namespace,
            host=host,
            port=port,
            log_format="json" if log_format == "json" else "text",
            log_level=log_level,
        )
    )
