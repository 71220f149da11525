//! Faults, and what ends a server.

use super::{Event, World};
use crate::feature::Feature;
use crate::plan::{MS, SECOND};
use store::Room;
use store::memory::Fault;

impl World {
    pub(super) fn fault(&mut self) {
        if self.calm {
            return;
        }
        let next = 1 + self.random.around(self.plan.fault_every);
        self.after(next, Event::Fault);
        const FAULTS: [Feature; 9] = [
            Feature::Sever,
            Feature::Leave,
            Feature::Crash,
            Feature::Stop,
            Feature::DiskFailure,
            Feature::DiskFull,
            Feature::SlowDisk,
            Feature::Pause,
            Feature::Checkpoints,
        ];
        let mix = &self.plan.mix;
        let enabled = FAULTS.into_iter().filter(|fault| mix.has(*fault));
        let mut enabled: Vec<Feature> = enabled.collect();
        if enabled.iter().all(|fault| *fault == Feature::Checkpoints) {
            enabled.push(Feature::Sever);
        }
        let fault = *self.random.pick(&enabled);
        if self.trace.told {
            eprintln!("{} us: fault: {fault:?}", self.now);
        }
        self.inflict(fault);
    }

    pub(super) fn inflict(&mut self, fault: Feature) {
        match fault {
            Feature::Sever | Feature::Leave => {
                let open: Vec<usize> = (0..self.connections.len())
                    .filter(|number| {
                        let connection = &self.connections[*number];
                        !connection.client_gone && connection.cut_at == u64::MAX
                    })
                    .collect();
                if open.is_empty() {
                    return;
                }
                let number = *self.random.pick(&open);
                if fault == Feature::Sever {
                    self.sever(number);
                } else {
                    self.leave(number);
                }
            }
            Feature::Crash => {
                if self.shell.is_none() {
                    return;
                }
                self.crash();
            }
            Feature::Stop => self.stop(),
            Feature::DiskFailure => {
                let length = usize::try_from(self.random.below(4000)).expect("small");
                let fault = *self
                    .random
                    .pick(&[Fault::Lost, Fault::Kept, Fault::Torn(length)]);
                self.disk.fail_after(self.random.below(4), fault);
            }
            Feature::DiskFull => {
                self.disk.set_room(Room::Reserved);
                let time = self.random.around(3 * SECOND);
                self.after(time, Event::Emptied);
            }
            Feature::SlowDisk => self.slow_until = self.now + self.random.around(SECOND),
            Feature::Pause => {
                let time = *self.random.pick(&[10 * MS, SECOND, 60 * SECOND]);
                self.paused_until = self.now + self.random.around(time);
            }
            _ => {
                let outcome = self.with_shell(|shell, it| shell.checkpoint(it));
                self.follow(outcome);
                self.turn_soon();
                return;
            }
        }
        self.faults += 1;
    }
}
