// Command verdict is a policy decision point for machine users: services, jobs,
// agents and partner systems. It answers whether one of them may call a service,
// now, with allow or deny and every reason. This comment is the operator's manual.
//
// # Start
//
//	verdict serve --demo
//	verdict demo token mu:user-svc | verdict decide --token - \
//	    --action email.send --resource svc:email \
//	    --prop recipient=u-ana --prop message_class=invoice.issued \
//	    --context source_ip=10.4.2.19 --context env=prod
//
// serve has two listeners: decisions for enforcement points, by default on
// 127.0.0.1:8181, and the admin API for operators, on 127.0.0.1:8182. Either may be
// a Unix socket instead, such as unix:/run/verdict/admin.sock: only the user of the
// server reaches it, or whom a mode behind the path lets in, as in
// unix:/run/verdict/pep.sock|0660. Decisions are served over TLS when tls.cert and
// tls.key are given; machine users may then present client certificates. The admin
// API is when admin_tls.cert and admin_tls.key are; with admin_tls.client_ca its
// clients have to present a certificate, besides their API key.
//
// On first start serve makes two API keys in its data directory, keys/pep.key
// (may ask for decisions) and keys/operator.key (may read and write everything),
// one key a file, readable by its user only. No other key exists until `verdict
// key create` makes one, and the server keeps only hashes. One process uses a
// data directory at a time. When the operator's key is lost, `verdict key create
// --offline` writes another into the data directory while the server is stopped.
// An interrupt or SIGTERM stops serve once the requests in flight are answered; a
// second one stops it at once.
//
// # Commands
//
//	serve                          run the server
//	status                         how the server stands, and what is wrong with it
//	decide                         ask for a decision, or with --file for a batch
//	decisions list|tail|show       what was decided, as it is decided, and why
//	decisions export|verify        the records, and whether all are there unaltered
//	replay                         what other policies or data make of recorded decisions
//	bundle push|build|remove       put policies through the gate: a candidate generation
//	bundle activate|rollback       decide with a generation; go back
//	bundle list|get|show|history   what is decided with, and what could be
//	bundle diff|status             what differs; what failed last
//	guard list|mode                the guards, what each said, and how strict it is
//	shadow start|show|stop         a candidate judges live traffic, without effect
//	entity get|put|list|delete     read and write entities
//	import, export                 many entities, one JSON object a line
//	backup, restore                everything, as one file
//	key create|list|revoke         API keys
//	issuer list|get                how the issuers of tokens and certificates stand
//	credential list                generations, last use, and when each ends
//	secret create                  a new shared secret of a machine user
//	token get                      a token of our own token service
//	token introspect               whether one is active, and what it says
//	token replace-keys             stop every token it signed
//	rotate                         a rotation set, from one generation to the next
//	revoke, renew                  stop tokens and credentials; have tokens renewed
//	test                           run the tests and decision tables of a policy folder, without a server
//	demo token, demo dpop          a fresh token of the demo issuer, good, spoilt or bound; a proof for it
//	config check                   each effective value and where it came from
//	version, completion, help
//
// --output json prints what the server answered, byte for byte. Lists that
// follow pages print one document of the same shape. Output goes to standard
// output; errors, notes and progress to standard error. With --output json an
// error is one JSON object, the server's with the fix added, and there are no notes.
//
// # Address and key of client commands
//
// Each is the first of these that is set:
//
//	address  --server, $VERDICT_SERVER (decide, token get and introspect) or $VERDICT_ADMIN_SERVER (the others),
//	         listen or admin_listen of the configuration
//	key      --key-file, $VERDICT_KEY_FILE, $VERDICT_KEY,
//	         keys/pep.key (decide, token introspect) or keys/operator.key (the others) of the data directory;
//	         token get needs none
//
// An address is a URL, http://host:port or https://host:port, or unix:/path of a
// socket (unix:///path is the same). Over TLS, each of these is the first that is set:
//
//	authorities to trust    --ca, $VERDICT_CA, $SSL_CERT_FILE, the roots of the system
//	certificate to present  --cert, $VERDICT_CERT; none
//	its private key         --key, $VERDICT_CERT_KEY, the file of the certificate
//
// All are PEM files, and the key is not encrypted.
//
// There is no flag for a key, a token or a secret itself, because every process of a
// machine can read a command line.
//
// # Configuration
//
// A value comes from the first of: its flag, its environment variable, the YAML
// file named by --config or $VERDICT_CONFIG, its default. The three names are one:
// engine.timeout, VERDICT_ENGINE_TIMEOUT, --engine-timeout. An empty variable counts
// as not set. Unknown keys of the file are refused with their line and the nearest
// known one.
//
//	data: ./data                  # data directory
//	listen: 127.0.0.1:8181        # address decisions are served on: host:port, unix:/path or unix:/path|MODE for a socket
//	admin_listen: 127.0.0.1:8182  # address of the admin API, likewise
//	tls:
//	  cert: ""                    # PEM file of the certificate decisions are served with over TLS; empty serves plain HTTP
//	  key: ""                     # PEM file of its private key; both are read again when they change
//	admin_tls:
//	  cert: ""                    # PEM file of the certificate the admin API is served with over TLS; empty serves plain HTTP
//	  key: ""                     # PEM file of its private key
//	  client_ca: ""               # PEM file of the authorities that certificates of its clients must lead to; empty asks for none
//	demo: false                   # load the Brightfold demo data and token issuer into an empty data directory
//	policies: ""                  # folder of the base policies, watched for changes; empty is the base bundle in the binary
//	bundles:
//	  keep: 20                    # generations of policies kept on disk beside the active one
//	  require_signatures: false   # refuse bundles that no key of bundles.keys signed
//	  keys: ""                    # file with the keys bundles may be signed by, as in OPA's configuration
//	  scope: ""                   # scope that signatures of bundles must have
//	  sources: ""                 # file with the bundle servers and folders to pull bundles from
//	  replay: 5000                # newest recorded decisions that a pushed bundle is held against; 0 is none
//	  max_size: 16MiB             # largest bundle taken, packed
//	decision_log:
//	  durability: spool           # what holds of a record when its decision is answered: async, spool or required
//	  max_age: 720h               # how long a record is kept
//	  max_bytes: 1GiB             # disk space the records may take; the oldest go first
//	  audit_max_age: 9600h        # how long the record of a change is kept
//	  audit_max_bytes: 256MiB     # disk space the records of changes may take, beside those of decisions
//	  queue: 10000                # decisions that may wait to be written
//	  wait: 2s                    # longest wait of a decision for its record
//	  lines: ""                   # file records are appended to as JSON lines, - for standard output; empty is none
//	  opa_url: ""                 # server that records are sent to as OPA sends decision logs; empty is none
//	  opa_token_file: ""          # file with the bearer token that server wants
//	  otlp_endpoint: ""           # URL records are sent to as OpenTelemetry logs; empty is none
//	store:
//	  change_log_max: 1000000     # changes kept in the change feed
//	  expired_retention: 720h     # how long an entity is kept after it expired
//	  hot_limit: 100000           # entities of a small collection kept decoded in memory
//	  min_free: 256MiB            # free disk space below which no write is taken
//	engine:
//	  timeout: 250ms              # longest evaluation before it denies
//	  max_keys: 64                # store keys one evaluation may read before it denies
//	  decoded_facts: 10000        # entities kept in the form policies read
//	decide:
//	  at_least_wait: 2s           # longest wait for a revision asked for with at_least
//	  audience: verdict           # name that signed client assertions must be made out to; give each installation its own
//	credentials:
//	  use_every: 1m               # how often the last use of one credential is written; less often loses more at a crash
//	token_service:
//	  issuer: ""                  # URL the token service issues tokens under; empty is no token service
//	  service: svc:token          # service the right to get tokens is declared for, by an edge with token.issue
//	  lifetime: 5m                # life of a token it issues
//	  key_lifetime: 720h          # how long one of its keys signs
//	http:
//	  body_limit: 1MiB            # largest request body, such as 1MiB; imports are streamed
//	  drain_delay: 0s             # how long /readyz says 503 before the listeners close
//	  shutdown_timeout: 15s       # longest wait for requests in flight at shutdown
//	log:
//	  level: info                 # debug, info, warn or error
//	  format: text                # text or json
//	tracing:
//	  otlp_endpoint: ""           # URL traces are sent to over OTLP/HTTP; empty sends none
//
// # Policies
//
// The bundles of a server make one policy set, a generation. A push goes through the
// gate (limits, signature, compile, the bundle's own tests, a replay of recorded
// decisions) and makes a candidate. Nothing is decided with it before it is activated,
// and what fails changes nothing:
//
//	verdict test ./acme                    run its tests and decision tables
//	verdict bundle push ./acme -m "why"    what the gate found, and which decisions flip
//	verdict shadow start 7 --sample 0.1    let it judge live traffic, without effect
//	verdict shadow show
//	verdict bundle activate 7
//	verdict bundle rollback                one call, at once
//
// verdict replay --bundle ./acme --fail-on-flip asks the same without a push, such as in
// a build.
//
// # Exit status
//
//	0  done; for decide, every decision is allow
//	1  it did not work: an invalid request, a bad line of an import, a refused bundle, a failed policy test, a decision log that is not whole
//	2  the command line or the configuration cannot be understood; nothing was done
//	3  decide: a decision is deny; token introspect: the token is not active
//	4  there is no such entity, bundle, generation or decision
//	5  it exists already, was changed since the revision named, is in use by another process, or is not in a state for it
//	6  there is no API key or credential, or it is not accepted or lacks the role
//	7  the server cannot be reached or cannot answer now; trying again later may work
//	8  issuer list --check only: an issuer is not fresh
//	9  rotate only: the rotation has not ended, as the watching stopped first, or it was aborted
//	10  replay --fail-on-flip only: a recorded decision would be decided otherwise
//	11  status only: something is wrong with the server, and the output says what
package main
