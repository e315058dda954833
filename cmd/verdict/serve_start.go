package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/cmd/config"
	"github.com/verdict-pdp/verdict/cmd/daemon"
	"github.com/verdict-pdp/verdict/disk"
	"github.com/verdict-pdp/verdict/server"
)

// What `serve` needs of its machine is tried before anything is made in the data
// directory, so that a start that fails for want of it leaves nothing behind. Each error
// says what is wrong, with which file or address, and what to do.

// setting is the one of a configuration key.
func setting(key string) config.Setting {
	defaults := config.Default()
	for _, s := range defaults.Settings() {
		if s.Key == key {
			return s
		}
	}
	panic("no setting " + key)
}

// choice is where another value of a setting is written.
func choice(key string) string {
	s := setting(key)
	return fmt.Sprintf("--%s, $%s or %s of the configuration file", s.Flag(), s.Env(), key)
}

// notStarted is a start that failed for want of something that a setting names.
func notStarted(key, message, fix string, cause error) *failure {
	return &failure{status: exitError, code: authz.CodeUnavailable, message: message, field: key, fix: fix, cause: cause}
}

// openListeners opens both addresses, or none.
func openListeners(c config.Config) (decisions, admin net.Listener, err error) {
	if decisions, err = (server.Listener{Name: "decisions", Addr: c.Listen, Setting: "listen"}).Open(); err != nil {
		return nil, nil, notListening(err)
	}
	if admin, err = (server.Listener{Name: "admin", Addr: c.AdminListen, Setting: "admin_listen"}).Open(); err != nil {
		return nil, nil, errors.Join(notListening(err), decisions.Close())
	}
	return decisions, admin, nil
}

// notListening is about an address that a server cannot be reached at.
func notListening(err error) error {
	var of *server.ListenError
	if !errors.As(err, &of) {
		return err
	}
	l := of.Listener
	what, do := of.Err.Error(), of.Do
	_, port, _ := net.SplitHostPort(l.Addr) // a socket has none
	var unknown *net.DNSError
	switch socket := strings.HasPrefix(l.Addr, "unix:"); {
	case socket && errors.Is(err, fs.ErrPermission):
		what = "the folder of the socket is not writable by this user"
	case socket && errors.Is(err, fs.ErrNotExist):
		what = "the folder of the socket is not there"
	case socket:
	case errors.Is(err, syscall.EADDRINUSE):
		what, do = "another process listens there", "stop that process"
	case errors.Is(err, fs.ErrPermission):
		what = "this process may not listen at port " + port
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		what = "this machine has no such address"
	case errors.As(err, &unknown):
		what = "the host name " + unknown.Name + " has no address"
	}
	fix := "choose another address with " + choice(l.Setting) + "."
	if do != "" {
		fix = do + ", or " + fix
	}
	fix = strings.ToUpper(fix[:1]) + fix[1:]
	if errors.Is(err, syscall.EADDRINUSE) && port == "8181" {
		fix += " 8181 is the default port of OPA too."
	}
	return notStarted(l.Setting, fmt.Sprintf("the listener %s cannot be opened at %s: %s", l.Name, l.Addr, what), fix, err)
}

// checkTLS tries what both listeners are to be served with over TLS.
func checkTLS(c config.Config, now time.Time) error {
	for _, of := range []struct{ prefix, cert, key string }{{"tls", c.TLS.Cert, c.TLS.Key}, {"admin_tls", c.AdminTLS.Cert, c.AdminTLS.Key}} {
		if of.cert == "" {
			continue
		}
		if err := checkCertificate(of.prefix, of.cert, of.key, now); err != nil {
			return err
		}
	}
	if c.AdminTLS.ClientCA == "" {
		return nil
	}
	text, err := readSettingFile("admin_tls.client_ca", c.AdminTLS.ClientCA)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		err = notStarted("admin_tls.client_ca", "the file "+c.AdminTLS.ClientCA+" has no certificate of an authority",
			"Put them there as PEM, or name another file with "+choice("admin_tls.client_ca")+".", nil)
	}
	return err
}

func checkCertificate(prefix, certFile, keyFile string, now time.Time) error {
	cert, err := readSettingFile(prefix+".cert", certFile)
	if err != nil {
		return err
	}
	key, err := readSettingFile(prefix+".key", keyFile)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return notStarted(prefix+".cert", fmt.Sprintf("the certificate %s and the key %s cannot be served with: %s", certFile, keyFile, strings.TrimPrefix(err.Error(), "tls: ")),
			"Name a certificate and its own key, both PEM, with "+prefix+".cert and "+prefix+".key.", err)
	}
	leaf := pair.Leaf
	switch {
	case now.After(leaf.NotAfter):
		return notStarted(prefix+".cert", fmt.Sprintf("the certificate %s expired at %s", certFile, leaf.NotAfter.UTC().Format(time.RFC3339)),
			"Put a new one there, with its key in "+keyFile+"; or the clock of this machine is off.", nil)
	case now.Before(leaf.NotBefore):
		return notStarted(prefix+".cert", fmt.Sprintf("the certificate %s is not good before %s", certFile, leaf.NotBefore.UTC().Format(time.RFC3339)),
			"Put one there that is good now, with its key in "+keyFile+"; or the clock of this machine is off.", nil)
	}
	return nil
}

// readSettingFile reads the file that a setting names.
func readSettingFile(key, file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, notStarted(key, "the file "+file+" cannot be read: "+reason(err),
			"Put it there, readable by this user, or name another one with "+choice(key)+".", err)
	}
	return text, nil
}

// checkData tries whether the data directory can be written, making it when it is not
// there, and whether a first start has the room that its keys need.
func checkData(c config.Config) error {
	made := !fileExists(c.Data)
	if err := writable(c.Data); err != nil {
		return notWritable(c.Data, err)
	}
	if fileExists(daemon.StoreDir(c.Data)) {
		return nil // a node goes on deciding without room
	}
	free, err := disk.Free(c.Data)
	if err != nil {
		return notWritable(c.Data, err)
	}
	if free < uint64(c.Store.MinFree) {
		if made {
			err = os.Remove(c.Data)
		}
		return errors.Join(notWritable(c.Data, syscall.ENOSPC), err)
	}
	return nil
}

func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".writable")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// notWritable is about a data directory that nothing can be kept in.
func notWritable(dir string, err error) error {
	another := "choose another directory with " + choice("data") + "."
	what, fix := reason(err), "Let this user write there, or "+another
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		what, fix = "it is a file, or lies below one", "Move the file away, or "+another
	case errors.Is(err, fs.ErrPermission):
		what = "this user may not write there"
	case errors.Is(err, syscall.EROFS):
		what, fix = "its file system is read-only", "Mount it writable, or "+another
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		what, fix = "its disk is full, or has less free than store.min_free", "Make room, or "+another
	}
	return notStarted("data", fmt.Sprintf("the data directory %s cannot be used: %s", dir, what), fix, err)
}

// notOpened says what to do about an error of daemon.Open.
func notOpened(c config.Config, err error) error {
	var ours *authz.Error
	known := errors.As(err, &ours)
	var step *daemon.StepError
	if !errors.As(err, &step) {
		step = &daemon.StepError{Err: err}
	}
	switch {
	case known && ours.Code == authz.CodeConflict && step.Doing != daemon.LoadingPolicies:
		f := notStarted("data", "the data directory "+c.Data+" is in use by another Verdict process",
			"Stop that process, or choose another directory with "+choice("data")+".", err)
		f.status, f.code = exitConflict, authz.CodeConflict
		return f
	case known && (ours.Field == "bundles.keys" || ours.Field == "bundles.sources"):
		return notStarted(ours.Field, ours.Message, "Correct the file, readable by this user, or name another one with "+choice(ours.Field)+".", err)
	case step.Doing == daemon.LoadingPolicies && c.Policies != "":
		return unusablePolicies(c.Policies, step.Err)
	case step.Doing == daemon.SettingUpDemo:
		return notStarted("demo", "the demo cannot be set up: "+step.Err.Error(),
			"If its key is at fault, remove the folder "+filepath.Join(c.Data, "demo")+": the next start makes a new one.", err)
	}
	f := *failureOf(err)
	if f.fix == "" {
		f.fix = "The lines above may say more; `verdict config check` shows what it was started with."
	}
	return &f
}

func unusablePolicies(folder string, err error) error {
	another := "name another folder with " + choice("policies") + "; none takes the base policies of this binary."
	about := func(what, fix string) error {
		return notStarted("policies", "the policies of the folder "+folder+" cannot be used:"+what, fix, err)
	}
	info, failed := os.Stat(folder)
	switch {
	case failed != nil:
		return about(" "+reason(failed), "Put it there, or "+another)
	case !info.IsDir():
		return about(" it is no folder", "Move the file away, or "+another)
	}
	return about("\n"+indent(err.Error()), "Mend them: `verdict test "+folder+"` says the same without a server. Or "+another)
}
