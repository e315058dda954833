//go:build linux || darwin

package disk

import "syscall"

// Free is how many bytes of the filesystem of dir this process may use. The error is
// that of the operating system, fs.ErrNotExist when there is no dir.
func Free(dir string) (bytes uint64, err error) {
	var fs syscall.Statfs_t
	for {
		err = syscall.Statfs(dir, &fs)
		if err != syscall.EINTR {
			return fs.Bavail * uint64(fs.Bsize), err
		}
	}
}
