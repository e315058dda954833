//go:build linux || darwin

package decisionlog

import "syscall"

// freeSpace is how many bytes of the filesystem of dir this process may use.
func freeSpace(dir string) (bytes uint64, err error) {
	var fs syscall.Statfs_t
	for {
		err = syscall.Statfs(dir, &fs)
		if err != syscall.EINTR {
			return fs.Bavail * uint64(fs.Bsize), err
		}
	}
}
