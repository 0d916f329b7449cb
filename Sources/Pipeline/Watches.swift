import Glibc

/// Tells when something is mounted or unmounted: poll(2) for `POLLPRI`, which proc(5) promises for this file. A path may lead elsewhere afterwards, and
/// no watch of a directory says so.
final class MountWatch {
    /// -1 where there is no such file.
    let descriptor = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)

    deinit { if descriptor >= 0 { close(descriptor) } }
}

/// Tells when the control log grew (inotify); without it the daemon looks at intervals.
final class ControlWatch {
    let descriptor: Int32

    init(_ path: String) {
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        // A log that is not there yet is created, so that it can be watched.
        close(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600))
        if descriptor >= 0 { inotify_add_watch(descriptor, path, UInt32(IN_MODIFY)) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func drain() {
        guard descriptor >= 0 else { return }
        var room = [UInt8](repeating: 0, count: 4096)
        while read(descriptor, &room, room.count) > 0 {}
    }
}
