import Glibc
import Storage

extension Store {
    /// Opens a state whose last owner is gone. Another test that starts a program at this moment has all descriptors of the process, the lock's
    /// among them, until its child has become that program: so a held lock is waited for, within bounds.
    static func reopen(directory: String, vfs: String? = nil) throws(StoreError) -> Store {
        for _ in 0..<2000 {
            do { return try Store.open(directory: directory, vfs: vfs) } catch {
                guard error.kind == .held else { throw error }
                poll(nil, 0, 5)
            }
        }
        return try Store.open(directory: directory, vfs: vfs)
    }
}
