"""What kind of file system a folder lies on, where the system tells."""

from pathlib import Path

#: file systems on which SQLite's locks or syncs cannot be trusted
SHARED = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs"}


def file_system(folder: Path) -> str:
    """The type of the file system that holds the folder, where /proc tells; else ""."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return ""
    holding = [mount for mount in mounts if folder == Path(mount[1]) or Path(mount[1]) in folder.parents]
    return max(holding, key=lambda mount: len(mount[1]))[2] if holding else ""
