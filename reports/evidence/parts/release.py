"""What was migrated to, or compared with: the digests of each tenant's release; never its credentials."""

from collections.abc import Iterator, Mapping

from fixtures.desired import Tenant
from fixtures.release import CREDENTIALS, LAMBDA_TEMPLATE, PACKAGE, SHARED_TEMPLATE
from reports.evidence.material import Material
from reports.evidence.piece import Lacking, Piece, json_file

FILE = "release.json"


def release(material: Material) -> Iterator[Piece]:
    """One entry for each tenant with a release."""
    tenants = [tenant for tenant in (material.desires.tenants if material.desires else ()) if tenant.release]
    if not tenants:
        yield Lacking("release digests", "no release was given (--release)")
        return
    yield json_file(FILE, [_tenant(tenant) for tenant in tenants], "SHA-256 of each file of the release, by tenant")


def _tenant(tenant: Tenant) -> Mapping[str, object]:
    release = tenant.release
    assert release is not None
    return {
        "tenant": tenant.name,
        "taegis_region": tenant.taegis_region,
        "accounts": sorted(tenant.accounts) if tenant.accounts is not None else "all that were looked at",
        "digest": release.digest,
        "files": {
            SHARED_TEMPLATE: {"sha256": release.shared_template.digest},
            LAMBDA_TEMPLATE: {"sha256": release.lambda_template.digest},
            PACKAGE: {
                "sha256": release.package.sha256_hex,
                "code_sha256": release.package.code_sha256,
                "size": release.package.size,
            },
            CREDENTIALS: "not shown: they are a secret",
        },
    }
