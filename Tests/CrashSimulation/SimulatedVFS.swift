import CSQLite
import Glibc

/// SQLite's way to the files of a `SimulatedMachine`, registered under a name of its own; for one connection at a time, on one thread.
///
/// Devices are as SQLite's own VFS for Linux describes them, so that it takes the same precautions here as there; and, as there, the first sync
/// of a new journal or log of changes syncs the directory too.
package final class SimulatedVFS {
    package let name: String
    private let vfs: UnsafeMutablePointer<sqlite3_vfs>
    private let nameBytes: UnsafeMutablePointer<CChar>
    private let context: Context

    package init(_ machine: SimulatedMachine, name: String) {
        self.name = name
        context = Context(machine)
        vfs = .allocate(capacity: 1)
        nameBytes = strdup(name)
        var content = sqlite3_vfs()
        content.iVersion = 1
        content.szOsFile = Int32(MemoryLayout<OpenFile>.size)
        content.mxPathname = 1024
        content.zName = UnsafePointer(nameBytes)
        content.pAppData = Unmanaged.passUnretained(context).toOpaque()
        content.xOpen = { vfs, path, file, flags, outFlags in
            guard let context = Context.of(vfs), let file else { return SQLITE_ERROR }
            return context.open(path.map { String(cString: $0) }, file, flags, outFlags)
        }
        content.xDelete = { vfs, path, syncs in
            guard let context = Context.of(vfs), let path else { return SQLITE_ERROR }
            return context.delete(String(cString: path), syncs: syncs != 0)
        }
        content.xAccess = { vfs, path, _, result in
            guard let context = Context.of(vfs), let path else { return SQLITE_ERROR }
            result?.pointee = context.machine.size(Context.file(String(cString: path))) == nil ? 0 : 1
            return SQLITE_OK
        }
        content.xFullPathname = { _, path, count, target in
            guard let path, let target, strlen(path) < Int(count) else { return SQLITE_CANTOPEN }
            strcpy(target, path)
            return SQLITE_OK
        }
        content.xRandomness = { _, count, target in
            guard let system = sqlite3_vfs_find(nil) else { return 0 }
            return system.pointee.xRandomness?(system, count, target) ?? 0
        }
        content.xSleep = { _, microseconds in microseconds }
        content.xCurrentTime = { _, target in
            target?.pointee = 2_440_587.5
            return SQLITE_OK
        }
        content.xGetLastError = { _, _, _ in 0 }
        vfs.initialize(to: content)
        sqlite3_vfs_register(vfs, 0)
    }

    deinit {
        sqlite3_vfs_unregister(vfs)
        vfs.deallocate()
        free(nameBytes)
    }
}

/// SQLite's extended codes, which are macros that Swift does not see.
private enum Fault {
    static let read = SQLITE_IOERR | 1 << 8
    static let shortRead = SQLITE_IOERR | 2 << 8
    static let write = SQLITE_IOERR | 3 << 8
    static let fsync = SQLITE_IOERR | 4 << 8
    static let dirFsync = SQLITE_IOERR | 5 << 8
    static let truncate = SQLITE_IOERR | 6 << 8
    static let fstat = SQLITE_IOERR | 7 << 8
    static let delete = SQLITE_IOERR | 10 << 8
    static let deleteNoent = SQLITE_IOERR | 23 << 8
    static let shmmap = SQLITE_IOERR | 21 << 8
}

/// What SQLite allocates for each file.
private struct OpenFile {
    var base: sqlite3_file
    var context: UnsafeMutableRawPointer?
    var number: Int

    static func of(_ file: UnsafeMutablePointer<sqlite3_file>?) -> (context: Context, number: Int)? {
        guard let file else { return nil }
        let own = UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self).pointee
        guard let context = own.context else { return nil }
        return (Unmanaged<Context>.fromOpaque(context).takeUnretainedValue(), own.number)
    }
}

private final class Context {
    private struct Handle {
        var name: String
        /// Nil: a temporary file's bytes.
        var bytes: [UInt8]?
        /// Its directory is synced with it.
        var isNewJournal = false
        /// The index of the log of changes, shared by connections: never on the disk.
        var regions: [UnsafeMutableRawPointer] = []
    }

    let machine: SimulatedMachine
    private var handles: [Int: Handle] = [:]
    private var next = 0
    private let methods: UnsafeMutablePointer<sqlite3_io_methods>

    static func of(_ vfs: UnsafeMutablePointer<sqlite3_vfs>?) -> Context? {
        vfs?.pointee.pAppData.map { Unmanaged<Context>.fromOpaque($0).takeUnretainedValue() }
    }

    /// The name within the state directory.
    static func file(_ path: String) -> String { path.split(separator: "/").last.map { String($0) } ?? path }

    deinit { methods.deallocate() }

    init(_ machine: SimulatedMachine) {
        self.machine = machine
        methods = .allocate(capacity: 1)
        var content = sqlite3_io_methods()
        content.iVersion = 2
        content.xClose = { file in
            guard let (context, number) = OpenFile.of(file) else { return SQLITE_OK }
            context.handles[number] = nil
            return SQLITE_OK
        }
        content.xRead = { file, target, count, offset in
            guard let (context, number) = OpenFile.of(file), let target else { return Fault.read }
            return context.read(number, UnsafeMutableRawBufferPointer(start: target, count: Int(count)), at: Int(offset))
        }
        content.xWrite = { file, source, count, offset in
            guard let (context, number) = OpenFile.of(file), let source else { return Fault.write }
            return context.write(number, UnsafeRawBufferPointer(start: source, count: Int(count)), at: Int(offset))
        }
        content.xTruncate = { file, size in
            guard let (context, number) = OpenFile.of(file) else { return Fault.truncate }
            return context.truncate(number, Int(size))
        }
        content.xSync = { file, _ in
            guard let (context, number) = OpenFile.of(file) else { return Fault.fsync }
            return context.sync(number)
        }
        content.xFileSize = { file, result in
            guard let (context, number) = OpenFile.of(file) else { return Fault.fstat }
            result?.pointee = Int64(context.size(number))
            return SQLITE_OK
        }
        content.xLock = { _, _ in SQLITE_OK }
        content.xUnlock = { _, _ in SQLITE_OK }
        content.xCheckReservedLock = { _, result in
            result?.pointee = 0
            return SQLITE_OK
        }
        content.xFileControl = { _, _, _ in SQLITE_NOTFOUND }
        content.xSectorSize = { _ in 4096 }
        content.xDeviceCharacteristics = { _ in SQLITE_IOCAP_POWERSAFE_OVERWRITE }
        content.xShmMap = { file, region, size, extends, target in
            guard let (context, number) = OpenFile.of(file) else { return Fault.shmmap }
            target?.pointee = context.region(number, Int(region), size: Int(size), extends: extends != 0)
            return SQLITE_OK
        }
        content.xShmLock = { _, _, _, _ in SQLITE_OK }
        content.xShmBarrier = { _ in }
        content.xShmUnmap = { file, _ in
            guard let (context, number) = OpenFile.of(file) else { return SQLITE_OK }
            for region in context.handles[number]?.regions ?? [] { region.deallocate() }
            context.handles[number]?.regions = []
            return SQLITE_OK
        }
        methods.initialize(to: content)
    }

    func open(
        _ path: String?, _ file: UnsafeMutablePointer<sqlite3_file>, _ flags: Int32, _ outFlags: UnsafeMutablePointer<Int32>?
    ) -> Int32 {
        file.pointee.pMethods = nil
        var handle = Handle(name: path.map(Self.file) ?? "", bytes: path == nil ? [] : nil)
        if path != nil, machine.size(handle.name) == nil {
            guard flags & SQLITE_OPEN_CREATE != 0, machine.perform(.state(.create(handle.name))) == 0 else {
                return SQLITE_CANTOPEN
            }
            handle.isNewJournal = flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL) != 0
        }
        next += 1
        handles[next] = handle
        UnsafeMutableRawPointer(file).assumingMemoryBound(to: OpenFile.self).initialize(
            to: OpenFile(
                base: sqlite3_file(pMethods: UnsafePointer(methods)), context: Unmanaged.passUnretained(self).toOpaque(),
                number: next))
        outFlags?.pointee = flags
        return SQLITE_OK
    }

    func delete(_ path: String, syncs: Bool) -> Int32 {
        let name = Self.file(path)
        guard machine.size(name) != nil else { return Fault.deleteNoent }
        guard machine.perform(.state(.delete(name))) == 0 else { return Fault.delete }
        return !syncs || machine.perform(.state(.syncDirectory)) == 0 ? SQLITE_OK : Fault.dirFsync
    }

    func read(_ number: Int, _ target: UnsafeMutableRawBufferPointer, at offset: Int) -> Int32 {
        var count = 0
        if let bytes = handles[number]?.bytes {
            count = max(0, min(target.count, bytes.count - offset))
            for index in 0..<count { target[index] = bytes[offset + index] }
        } else {
            count = machine.read(handles[number]?.name ?? "", at: offset, into: target)
        }
        guard count < target.count else { return SQLITE_OK }
        for index in count..<target.count { target[index] = 0 }
        return Fault.shortRead
    }

    func write(_ number: Int, _ source: UnsafeRawBufferPointer, at offset: Int) -> Int32 {
        if handles[number]?.bytes != nil {
            let missing = offset + source.count - (handles[number]?.bytes?.count ?? 0)
            if missing > 0 { handles[number]?.bytes?.append(contentsOf: repeatElement(0, count: missing)) }
            handles[number]?.bytes?.replaceSubrange(offset..<(offset + source.count), with: source)
            return SQLITE_OK
        }
        let operation = StateOperation.write(handles[number]?.name ?? "", offset: offset, Array(source))
        return switch machine.perform(.state(operation)) {
        case 0: SQLITE_OK
        case ENOSPC: SQLITE_FULL
        default: Fault.write
        }
    }

    func truncate(_ number: Int, _ size: Int) -> Int32 {
        if let bytes = handles[number]?.bytes {
            handles[number]?.bytes = Array(bytes.prefix(size))
            return SQLITE_OK
        }
        return machine.perform(.state(.truncate(handles[number]?.name ?? "", size: size))) == 0 ? SQLITE_OK : Fault.truncate
    }

    func sync(_ number: Int) -> Int32 {
        guard let handle = handles[number], handle.bytes == nil else { return SQLITE_OK }
        guard machine.perform(.state(.sync(handle.name))) == 0 else { return Fault.fsync }
        guard handle.isNewJournal else { return SQLITE_OK }
        handles[number]?.isNewJournal = false
        return machine.perform(.state(.syncDirectory)) == 0 ? SQLITE_OK : Fault.dirFsync
    }

    func size(_ number: Int) -> Int {
        guard let handle = handles[number] else { return 0 }
        return handle.bytes?.count ?? machine.size(handle.name) ?? 0
    }

    func region(_ number: Int, _ index: Int, size: Int, extends: Bool) -> UnsafeMutableRawPointer? {
        while extends, (handles[number]?.regions.count ?? 0) <= index {
            let region = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
            region.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            handles[number]?.regions.append(region)
        }
        guard let regions = handles[number]?.regions, index < regions.count else { return nil }
        return regions[index]
    }
}
