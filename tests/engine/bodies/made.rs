//! Bodies of creates: written by hand, and generated from fields that an engine takes, in all the
//! spellings that it takes.

use dockgate::body::Place;
use dockgate::body::json::{Kind, Shape};
use serde_json::{Value, json};

use super::create;

/// Fields of HostConfig that give nothing, with values. `VOLUME` is another name in each body.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "Binds",
        &[
            r#"["VOLUME:/b"]"#,
            r#"["VOLUME:/b:ro","VOLUME-2:/c:nocopy"]"#,
            "[]",
        ],
    ),
    (
        "Mounts",
        &[
            r#"[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1048576,"Mode":511}}]"#,
            r#"[{"Type":"volume","Source":"VOLUME-3","Target":"/w","ReadOnly":true}]"#,
            r#"[{"Type":"volume","Target":"/x","VolumeOptions":{"NoCopy":true,"Labels":{"a":"b","A":"c"}}},{"Type":"tmpfs","Target":"/y"}]"#,
            "[]",
        ],
    ),
    (
        "LogConfig",
        &[
            r#"{"Type":"json-file","Config":{"max-size":"1m","max-file":"2"}}"#,
            r#"{"Type":"none"}"#,
            r#"{"Type":"local","Config":{}}"#,
        ],
    ),
    (
        "NetworkMode",
        &[r#""none""#, r#""bridge""#, r#""default""#, r#""""#],
    ),
    (
        "PortBindings",
        &[
            r#"{"80/tcp":[{"HostIp":"127.0.0.1","HostPort":"8080"}],"90/udp":[{"HostPort":""}]}"#,
            "{}",
        ],
    ),
    (
        "RestartPolicy",
        &[
            r#"{"Name":"always"}"#,
            r#"{"Name":"on-failure","MaximumRetryCount":3}"#,
            r#"{"Name":"no"}"#,
        ],
    ),
    ("AutoRemove", &["false"]),
    ("VolumeDriver", &[r#""local""#]),
    ("CapAdd", &[r#"["CHOWN"]"#, r#"["CAP_KILL","setuid"]"#]),
    ("CapDrop", &[r#"["ALL"]"#, r#"["NET_RAW","chown"]"#]),
    ("Dns", &[r#"["1.1.1.1"]"#]),
    ("DnsOptions", &[r#"["ndots:2","use-vc"]"#]),
    ("DnsSearch", &[r#"["example.com"]"#]),
    ("ExtraHosts", &[r#"["a:1.2.3.4","b:host-gateway"]"#]),
    ("GroupAdd", &[r#"["27","users"]"#]),
    ("IpcMode", &[r#""private""#, r#""none""#, r#""shareable""#]),
    ("OomScoreAdj", &["500", "0"]),
    ("Privileged", &["false"]),
    ("PublishAllPorts", &["true", "false"]),
    ("ReadonlyRootfs", &["true", "false"]),
    (
        "SecurityOpt",
        &[r#"["no-new-privileges"]"#, r#"["no-new-privileges=true"]"#],
    ),
    ("Tmpfs", &[r#"{"/run":"size=1m","/tmp":""}"#]),
    ("ShmSize", &["1048576", "0"]),
    (
        "Sysctls",
        &[r#"{"net.core.somaxconn":"1024","kernel.msgmax":"65536"}"#],
    ),
    ("Runtime", &[r#""runc""#]),
    ("ConsoleSize", &["[50,120]", "[0,0]", "[1]"]),
    ("Isolation", &[r#""default""#]),
    ("CpuShares", &["512", "-0"]),
    ("Memory", &["67108864", "0"]),
    ("MemoryReservation", &["33554432"]),
    ("PidsLimit", &["100", "0", "-1"]),
    ("NanoCpus", &["500000000"]),
    ("CpusetCpus", &[r#""0""#]),
    (
        "Ulimits",
        &[r#"[{"Name":"nofile","Soft":100,"Hard":200},{"Name":"nproc","Soft":-1,"Hard":-1}]"#],
    ),
    ("Init", &["true", "false"]),
    ("StorageOpt", &["{}"]),
    ("ContainerIDFile", &["TEXT"]),
    ("Devices", &["[]"]),
    ("DeviceCgroupRules", &["[]"]),
    ("OomKillDisable", &["false"]),
];

/// Fields of HostConfig that give something.
const POWERS: &[(&str, &[&str])] = &[
    ("Privileged", &["true"]),
    (
        "Binds",
        &[
            r#"["/:/host"]"#,
            r#"["/etc:/h:ro,rslave","VOLUME:/v"]"#,
            r#"["/tmp/../etc:/h"]"#,
        ],
    ),
    (
        "Mounts",
        &[
            r#"[{"Type":"bind","Source":"/etc","Target":"/h","BindOptions":{"Propagation":"rprivate","NonRecursive":true}}]"#,
            r#"[{"Type":"volume","Source":"VOLUME-4","Target":"/d","VolumeOptions":{"DriverConfig":{"Name":"local","Options":{"type":"none","o":"bind","device":"/etc"}}}}]"#,
        ],
    ),
    (
        "Devices",
        &[r#"[{"PathOnHost":"/dev/null","PathInContainer":"/dev/x","CgroupPermissions":"rwm"}]"#],
    ),
    ("DeviceCgroupRules", &[r#"["c 1:3 rwm","b *:* r"]"#]),
    (
        "DeviceRequests",
        &[
            r#"[{"Driver":"nvidia","Count":-1,"DeviceIDs":null,"Capabilities":[["gpu"]],"Options":{"a":"b"}}]"#,
        ],
    ),
    (
        "CapAdd",
        &[r#"["SYS_ADMIN","CAP_NET_ADMIN"]"#, r#"["all"]"#],
    ),
    ("PidMode", &[r#""host""#]),
    ("IpcMode", &[r#""host""#]),
    ("UTSMode", &[r#""host""#]),
    ("UsernsMode", &[r#""host""#]),
    ("NetworkMode", &[r#""host""#]),
    ("CgroupParent", &[r#""/x""#]),
    (
        "SecurityOpt",
        &[
            r#"["seccomp=unconfined","apparmor=unconfined"]"#,
            r#"["label=disable"]"#,
        ],
    ),
    ("MaskedPaths", &["[]", r#"["/proc/kcore"]"#]),
    ("ReadonlyPaths", &["[]", r#"["/proc/sys"]"#]),
    (
        "Sysctls",
        &[r#"{"kernel.shm_rmid_forced":"1","net.ipv4.ip_forward":"1"}"#],
    ),
];

/// Fields of the container itself.
const CONFIG: &[(&str, &[&str])] = &[
    ("Hostname", &[r#""web""#]),
    ("Domainname", &[r#""example.com""#]),
    ("User", &[r#""1000:1000""#, "TEXT"]),
    ("AttachStdin", &["true"]),
    ("AttachStdout", &["true", "false"]),
    ("ExposedPorts", &[r#"{"80/tcp":{},"90/udp":{}}"#]),
    ("Tty", &["true"]),
    ("OpenStdin", &["true"]),
    ("StdinOnce", &["true"]),
    ("Env", &[r#"["A=b","PATH=/bin"]"#, "[TEXT,TEXT]", "[]"]),
    ("Cmd", &[r#"["sleep","9"]"#, "[TEXT]"]),
    (
        "Healthcheck",
        &[
            r#"{"Test":["CMD","true"],"Interval":1000000000,"Retries":3}"#,
            r#"{"Test":["NONE"]}"#,
        ],
    ),
    ("Volumes", &[r#"{"/data":{},"/etc:/h":{}}"#]),
    ("WorkingDir", &[r#""/tmp""#]),
    ("Entrypoint", &[r#"["sh","-c"]"#]),
    ("NetworkDisabled", &["true"]),
    ("OnBuild", &["null"]),
    (
        "Labels",
        &[
            r#"{"a":TEXT,"A":TEXT,"\u212a":TEXT,"k":"1"}"#,
            r#"{"com.example":TEXT,"HostConfig":"x"}"#,
        ],
    ),
    ("StopSignal", &[r#""SIGKILL""#]),
    ("StopTimeout", &["5", "0"]),
    ("Shell", &[r#"["sh","-c"]"#]),
    (
        "NetworkingConfig",
        &[
            r#"{"EndpointsConfig":{"bridge":null}}"#,
            r#"{"EndpointsConfig":{"none":{"Aliases":["x"],"IPAMConfig":null}}}"#,
            r#"{"EndpointsConfig":{}}"#,
        ],
    ),
];

/// Strings that are written in several ways.
const TEXTS: &[&str] = &[
    "x",
    "",
    "a b",
    "a/b",
    "ü😀",
    "\"\\\u{8}\u{c}\n\r\t",
    "\u{2028}<>&\u{7f}",
    "\u{fffd}",
    "k\u{212a}sſ",
    "0",
];

/// In place of any value, now and then.
const ODD: &[&str] = &[
    "null",
    "5",
    "-1",
    r#""5""#,
    "true",
    "[]",
    "{}",
    "[null]",
    r#"{"a":null}"#,
    r#""""#,
    "1e3",
    "1.0",
    "9223372036854775808",
];

/// Fields that no engine has.
const UNKNOWN: &[(&str, &str)] = &[
    ("Unknown", r#"{"x":[1,{"Y":null}]}"#),
    ("unknown", "1"),
    ("Privilege", "true"),
    ("é", "null"),
    ("Host_Config", r#"{"Privileged":true}"#),
    ("", "0"),
    ("name", r#""x""#),
];

/// Makes one body after a seed, the same each time.
pub(super) struct Generator {
    state: u64,
    volume: String,
    out: String,
}

type Fields = Vec<(String, String)>;

impl Generator {
    pub(super) fn new(seed: usize) -> Generator {
        Generator {
            state: seed as u64,
            volume: format!("volume-{seed}"),
            out: String::new(),
        }
    }

    /// SplitMix64.
    fn below(&mut self, most: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % most as u64).expect("below it")
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// One in so many of these fields, each with one of its values.
    fn some(&mut self, fields: &[(&str, &[&str])], one_in: usize) -> Fields {
        let mut some = Fields::new();
        for (name, values) in fields {
            if !self.once_in(one_in) {
                continue;
            }
            let value = match self.below(100) {
                0 => self.pick(ODD),
                1..4 => "null",
                _ => self.pick(values),
            };
            some.push(((*name).to_owned(), value.to_owned()));
        }
        some
    }

    pub(super) fn body(mut self) -> Vec<u8> {
        let mut host = self.some(HARMLESS, 6);
        if self.once_in(2) {
            for (name, value) in self.some(POWERS, 10) {
                host.retain(|(other, _)| *other != name);
                host.push((name, value));
            }
        }
        let mut top = self.some(CONFIG, 4);
        top.push(("Image".to_owned(), r#""busybox""#.to_owned()));
        let mut config = true;
        if self.once_in(8) {
            // As engines up to 26 read it.
            let kept = host.len() - self.below(host.len() + 1).min(3);
            top.extend(host.drain(kept..));
            config = self.once_in(2);
        }
        for fields in [&mut top, &mut host] {
            if self.once_in(10) {
                let (name, value) = self.pick(UNKNOWN);
                fields.push((name.to_owned(), value.to_owned()));
            }
            if self.once_in(40) && !fields.is_empty() {
                let at = self.below(fields.len());
                fields.push((fields[at].0.clone(), "null".to_owned()));
            }
            for at in (1..fields.len()).rev() {
                let other = self.below(at + 1);
                fields.swap(at, other);
            }
        }
        let place = Place::of(create());
        let within = place.field("hostconfig").expect("a field").1;
        let at = self.below(top.len() + 1);
        self.out.push('{');
        if config && host.len() > 1 && self.once_in(20) {
            // Two of them, which Go makes one of.
            let rest = host.split_off(host.len() / 2);
            self.key("HostConfig");
            self.fields(&rest, within);
            self.out.push(',');
        }
        for (index, (name, value)) in top.iter().enumerate() {
            if config && index == at {
                self.key("HostConfig");
                self.fields(&host, within);
                self.out.push(',');
            }
            self.field(name, value, Some(place));
            self.out.push(',');
        }
        if config && at == top.len() {
            self.key("HostConfig");
            self.fields(&host, within);
        } else {
            self.out.pop();
        }
        self.out.push('}');
        self.out.into_bytes()
    }

    fn fields(&mut self, fields: &Fields, place: Place) {
        self.blank();
        self.out.push('{');
        for (index, (name, value)) in fields.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.field(name, value, Some(place));
        }
        self.out.push('}');
        self.blank();
    }

    fn field(&mut self, name: &str, template: &str, place: Option<Place>) {
        let inside = place
            .and_then(|place| place.field(name))
            .map(|(_, place)| place);
        self.key(name);
        if serde_json::from_str::<i128>(template).is_ok() || ODD.contains(&template) {
            // Number and oddities as they are.
            self.out.push_str(template);
            return;
        }
        let mut text = template.replace("VOLUME", &self.volume.clone());
        while text.contains("TEXT") {
            let one = json!(self.pick(TEXTS)).to_string();
            text = text.replacen("TEXT", &one, 1);
        }
        let value: Value = serde_json::from_str(&text).expect("a template is JSON");
        self.value(&value, inside);
    }

    fn value(&mut self, value: &Value, place: Option<Place>) {
        self.blank();
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                self.out.push_str(&value.to_string());
            }
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    self.value(item, place.map(Shape::element));
                }
                self.out.push(']');
            }
            Value::Object(object) => {
                let is_struct = place.is_some_and(|place| place.kind() == Kind::Object);
                self.out.push('{');
                for (index, (name, value)) in object.iter().enumerate() {
                    if index > 0 {
                        self.out.push(',');
                    }
                    if is_struct {
                        let inside = place.and_then(|place| place.field(name));
                        self.key(name);
                        self.value(value, inside.map(|(_, place)| place));
                    } else {
                        self.string(name);
                        self.out.push(':');
                        self.value(value, place.map(Shape::element));
                    }
                }
                self.out.push('}');
            }
        }
        self.blank();
    }

    fn blank(&mut self) {
        if self.once_in(12) {
            let blank = self.pick(&[" ", "\t", "\r\n", "\n  "]);
            self.out.push_str(blank);
        }
    }

    /// A field's name with its colon, in one of the spellings that Go takes.
    fn key(&mut self, name: &str) {
        if !self.once_in(3) {
            self.out.push_str(&format!("{}:", json!(name)));
            return;
        }
        self.out.push('"');
        for letter in name.chars() {
            let spelt = match (self.below(8), letter.to_ascii_lowercase()) {
                (0, lower) => lower.to_string(),
                (1, _) => letter.to_ascii_uppercase().to_string(),
                (2, _) => format!("\\u{:04x}", u32::from(letter)),
                (3, 's') => "ſ".to_owned(),
                (4, 's') => "\\u017F".to_owned(),
                (3 | 4, 'k') => "\u{212a}".to_owned(),
                _ => letter.to_string(),
            };
            self.out.push_str(&spelt);
        }
        self.out.push_str("\":");
        self.blank();
    }

    fn string(&mut self, text: &str) {
        let plain = !self.once_in(4);
        self.out.push('"');
        for letter in text.chars() {
            match letter {
                '"' | '\\' => self.out.extend(['\\', letter]),
                '/' if self.once_in(4) => self.out.push_str("\\/"),
                '\n' if plain => self.out.push_str("\\n"),
                letter if letter < ' ' || (!plain && self.once_in(3)) => {
                    for unit in letter.encode_utf16(&mut [0; 2]) {
                        self.out.push_str(&format!("\\u{unit:04X}"));
                    }
                }
                letter => self.out.push(letter),
            }
        }
        self.out.push('"');
    }
}

/// What somebody would try. An engine refuses some of them too.
pub(super) const HAND_MADE: &[&str] = &[
    // Spellings of names.
    r#"{"image":"busybox","hostconfig":{"privileged":true}}"#,
    r#"{"IMAGE":"busybox","HOSTCONFIG":{"PRIVILEGED":true}}"#,
    r#"{"Image":"busybox","HoſtConfig":{"Privileged":true}}"#,
    r#"{"Image":"busybox","Ho\u017ftConfig":{"Privileged":true}}"#,
    r#"{"Image":"busybox","HostConfig":{"NetworKMode":"host"}}"#,
    r#"{"Image":"busybox","HostConfig":{"Networ\u212aMode":"host"}}"#,
    r#"{"Image":"busybox","HostConfig":{"MaſKedPathſ":[]}}"#,
    r#"{"Image":"busybox","\u0048ostConfig":{"\u0042inds":["/:/h"]}}"#,
    r#"{"Image":"busybox","Host\u0043onfig":{"Bin\u0064s":["\/:\/h"]}}"#,
    r#"{"Image":"busybox","Host_Config":{"Privileged":true}}"#,
    r#"{"Image":"busybox","Host-Config":{"Privileged":true}}"#,
    r#"{"Image":"busybox","HostConfig ":{"Privileged":true}}"#,
    r#"{"Image":"busybox"," HostConfig":{"Privileged":true}}"#,
    r#"{"Image":"busybox","HostConfig.Privileged":true}"#,
    r#"{"Image":"busybox","HostConfig\u0000":{"Privileged":true}}"#,
    r#"{"Image":"busybox","HostConfig":{"Resources":{"Memory":67108864}}}"#,
    r#"{"Image":"busybox","HostConfig":{"resources":{"CgroupParent":"/x"}}}"#,
    r#"{"Image":"busybox","Config":{"User":"1000"}}"#,
    r#"{"İmage":"busybox","Image":"busybox"}"#,
    r#"{"ımage":"x","Image":"busybox"}"#,
    r#"{"Image":"busybox","Uſer":"1000"}"#,
    r#"{"Image":"busybox","Labels":{"K":"1","k":"2","K":"3","s":"4","ſ":"5"}}"#,
    r#"{"Image":"busybox","labels":{"HostConfig":"a","hostconfig":"b"}}"#,
    r#"{"Image":"busybox","HostConfig":{"mounts":[{"tYPE":"bind","ſource":"/etc","TARGET":"/h"}]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"volume","Target":"/h","volumeoptions":{"driverconfig":{"name":"local","OPTIONS":{"type":"none","o":"bind","device":"/etc"}}}}]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"volume","Target":"/h","VolumeOptions":{"DriverConfig":{"Options":{"TYPE":"none","O":"bind"}}}}]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Devices":[{"pathonhost":"/dev/null","PATHINCONTAINER":"/dev/x","cgrouppermissions":"rwm"}]}}"#,
    // Twice.
    r#"{"Image":"busybox","Image":"other"}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":true},"HostConfig":{"Memory":0}}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":true},"hostconfig":{"Memory":67108864}}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":true},"HostConfig":null}"#,
    r#"{"Image":"busybox","HostConfig":null,"HostConfig":{"Privileged":true}}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":true,"Privileged":false}}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":true,"privileged":null}}"#,
    r#"{"Image":"busybox","HostConfig":{"Binds":["/:/h"],"Binds":[]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Binds":["/:/h"],"binds":[null]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Binds":["a:/a","/:/h"],"Binds":["b:/b"],"BINDS":["c:/c",null]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"bind","Source":"/","Target":"/h"}],"Mounts":[{"Target":"/x"}]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Mounts":[{"Type":"bind","Type":"tmpfs","Source":"","Target":"/x"}]}}"#,
    r#"{"Image":"busybox","HostConfig":{"NetworkMode":"host","networ\u212amode":"none"}}"#,
    r#"{"Image":"busybox","Labels":{"a":"b"},"labels":{"c":"d"}}"#,
    r#"{"Image":"busybox","Labels":{"a":"b","a":"c"}}"#,
    r#"{"Image":"busybox","Labels":{"a":"b","\u0061":"c"}}"#,
    r#"{"Image":"busybox","Unknown":1,"Unknown":2}"#,
    r#"{"Image":"busybox","NetworkingConfig":{"EndpointsConfig":{"none":{"Aliases":["x"]},"none":null}}}"#,
    // At the top, as engines up to 26 read it.
    r#"{"Image":"busybox","Privileged":true}"#,
    r#"{"Image":"busybox","privileged":true,"HostConfig":null}"#,
    r#"{"Image":"busybox","Privileged":true,"HostConfig":{}}"#,
    r#"{"Image":"busybox","Binds":["/:/h"],"Memory":67108864}"#,
    r#"{"Image":"busybox","NetworkMode":"host","PidMode":"host"}"#,
    r#"{"Image":"busybox","Memory":67108864,"HostConfig":{"Memory":0}}"#,
    r#"{"Image":"busybox","CpuShares":512,"HostConfig":{"ShmSize":1048576}}"#,
    r#"{"Image":"busybox","Cpuset":"0"}"#,
    r#"{"Image":"busybox","Cpuset":"0","HostConfig":{}}"#,
    r#"{"Image":"busybox","CpusetCpus":"0","HostConfig":{}}"#,
    r#"{"Image":"busybox","VolumeDriver":"local","HostConfig":{}}"#,
    r#"{"Image":"busybox","Mounts":[{"Type":"tmpfs","Target":"/t"}],"Init":true}"#,
    // Nulls.
    r#"{"Image":"busybox","HostConfig":null,"Env":null,"Cmd":null,"Labels":null,"NetworkingConfig":null}"#,
    r#"{"Image":"busybox","Env":["A=b",null,"C=d"]}"#,
    r#"{"Image":"busybox","Cmd":["sh",null]}"#,
    r#"{"Image":"busybox","Labels":{"a":null}}"#,
    r#"{"Image":"busybox","HostConfig":{"Mounts":[null]}}"#,
    r#"{"Image":"busybox","HostConfig":{"Mounts":null,"Binds":null,"MaskedPaths":null,"Init":null,"PidsLimit":null}}"#,
    r#"{"Image":"busybox","HostConfig":{"Sysctls":{"net.core.somaxconn":null}}}"#,
    r#"{"Image":"busybox","HostConfig":{"PortBindings":{"80/tcp":null,"90/tcp":[null]}}}"#,
    r#"{"Image":"busybox","HostConfig":{"ConsoleSize":[null,5]}}"#,
    r#"{"Image":"busybox","HostConfig":{"MaskedPaths":[null]}}"#,
    // Numbers.
    r#"{"Image":"busybox","HostConfig":{"Memory":9223372036854775807,"MemorySwap":-1}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":9223372036854775808}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":18446744073709551616}}"#,
    r#"{"Image":"busybox","HostConfig":{"CpuShares":9007199254740993}}"#,
    r#"{"Image":"busybox","HostConfig":{"PidsLimit":9223372036854775807}}"#,
    r#"{"Image":"busybox","HostConfig":{"ShmSize":-1}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":6.7108864e7}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":67108864.0}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":-0,"CpuShares":-0}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":067108864}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":"67108864"}}"#,
    r#"{"Image":"busybox","HostConfig":{"Memory":{"$serde_json::private::Number":"67108864"}}}"#,
    r#"{"Image":"busybox","HostConfig":{"ConsoleSize":[65535,1,2]}}"#,
    r#"{"Image":"busybox","HostConfig":{"OomScoreAdj":2147483648}}"#,
    r#"{"Image":"busybox","StopTimeout":-5}"#,
    // Other types.
    r#"{"Image":"busybox","Cmd":"sleep 9","Entrypoint":"sh"}"#,
    r#"{"Image":"busybox","Cmd":["a",5]}"#,
    r#"{"Image":"busybox","HostConfig":[]}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":"true"}}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":1}}"#,
    r#"{"Image":"busybox","HostConfig":{"Binds":"/:/h"}}"#,
    r#"{"Image":"busybox","HostConfig":{"Binds":{"0":"/:/h"}}}"#,
    r#"{"Image":"busybox","HostConfig":{"Binds":[["/:/h"]]}}"#,
    r#"[{"Image":"busybox"}]"#,
    r#""busybox""#,
    "null",
    "",
    // Strings.
    r#"{"Image":"busybox","Labels":{"a":"\ud83d\ude00\u0000\u2028\"\\\/\b\f\n\r\t"}}"#,
    r#"{"Image":"busybox","Labels":{"a":"\ud800","b":"\udc00x","c":"\ud800\u0041"}}"#,
    r#"{"Image":"busybox","HostConfig":{"NetworkMode":"\u0068ost","PidMode":"h\u006fst"}}"#,
    r#"{"Image":"busybox","HostConfig":{"NetworkMode":"HOST"}}"#,
    r#"{"Image":"busybox","Env":["A=\x41"]}"#,
    "{\"Image\":\"busybox\",\"Env\":[\"A=\tb\"]}",
    "{\"Image\":\"busybox\",\"Env\":[\"A=\u{85}\u{2028}\u{7f}\"]}",
    // The whole.
    "\u{feff}{\"Image\":\"busybox\"}",
    " \t\r\n{\"Image\":\"busybox\"}\n ",
    r#"{"Image":"busybox"}{"HostConfig":{"Privileged":true}}"#,
    r#"{"Image":"busybox"}]anything"#,
    r#"{"Image":"busybox"}}"#,
    "{\"Image\":\"busybox\"}\0",
    r#"{"Image":"busybox"}/**/"#,
    r#"{"Image":"busybox",}"#,
    r#"{"Image":"busybox","HostConfig":{"Privileged":true}"#,
    r#"{"Image":"busybox","Unknown":{"a":[{"b":[{"c":[{"d":[{"e":[{"f":[{}]}]}]}]}]}]}}"#,
    r#"{"Image":"busybox","Unknown":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}"#,
];
