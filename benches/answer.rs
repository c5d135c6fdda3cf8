//! How long it takes to filter a list of a thousand containers, half of which are seen. criterion shows the
//! throughput in bytes of the engine's answer.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dockgate::api::{ObjectKind, Target};
use dockgate::body::answer::{Answered, Filter};
use dockgate::body::redaction::Redaction;
use dockgate::body::scope::{Scope, Sight};

/// What the engine answers: 2 KiB for each container, with the labels that Compose and a router set.
fn list() -> Vec<u8> {
    let items = (0..1000).map(|number| {
        let team = if number % 2 == 0 { "a" } else { "b" };
        let labels: Vec<String> = (0..20)
            .map(|at| format!(r#""com.example.label.number-{at}":"a value of some length {number}""#))
            .collect();
        format!(
            r#"{{"Id":"{number:064x}","Names":["/web-{number}"],"Image":"registry.example.com/team/web:1.27","ImageID":"sha256:{number:064x}","Command":"/docker-entrypoint.sh nginx -g 'daemon off;'","Created":1700000000,"Ports":[{{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}}],"Labels":{{"team":"{team}",{}}},"State":"running","Status":"Up 3 days","HostConfig":{{"NetworkMode":"web"}},"NetworkSettings":{{"Networks":{{"web":{{"IPAMConfig":null,"Links":null,"Aliases":null,"NetworkID":"{number:064x}","EndpointID":"{number:064x}","Gateway":"172.18.0.1","IPAddress":"172.18.0.2","IPPrefixLen":16}}}}}},"Mounts":[{{"Type":"volume","Name":"data","Source":"","Destination":"/data","Driver":"local","Mode":"z","RW":true,"Propagation":""}}]}}"#,
            labels.join(",")
        )
    });
    format!("[{}]\n", items.collect::<Vec<String>>().join(",")).into_bytes()
}

fn lists(criterion: &mut Criterion) {
    let answer = list();
    let scope = Scope::read("ci", "label:team=a", None, false).expect("a scope");
    let sight = Sight::new(Some(Arc::new(scope)), Arc::default());
    let redaction = Redaction::read("env, labels:com.example.*", None).expect("a redaction");
    let redaction = Arc::new(redaction);
    let target = Target::from_line("GET", "/containers/json").expect("a target");
    let list = Answered::List(ObjectKind::Container);
    let scoped = Filter::default().seen(list, sight, None);
    let redacted = Filter::default().redacted(redaction, target);
    let mut group = criterion.benchmark_group("list-of-1000");
    group.throughput(Throughput::Bytes(answer.len() as u64));
    for (name, filter) in [("scoped", scoped), ("redacted", redacted)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || answer.clone(),
                |answer| filter.whole(200, black_box(answer)).expect("a list"),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, lists);
criterion_main!(benches);
