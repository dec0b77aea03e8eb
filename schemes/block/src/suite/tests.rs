//! The tests. Each is a sentence, and the same for every driver.
#![expect(missing_docs, reason = "their names are sentences")]
#![expect(clippy::large_stack_frames, reason = "tests have megabytes of stack")]

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use anode_device::qtest::Qemu;
use redox::error::{EIO, EOPNOTSUPP};

use super::{DATA, Image, Rig, World, pattern};
use crate::{Client, Disk, Durability, Engine, Op, Task};

/// Bytes of the tests' disks.
const SIZE: usize = 1 << 20;

/// Makes all tests of the suite tests of a driver, by its [`Rig`].
#[macro_export]
macro_rules! suite {
    ($rig:ty) => {
        $crate::suite!($rig: a_disk_is_read_written_forced_discarded_and_flushed
            each_end_of_an_operation_is_told_by_a_message
            many_operations_are_in_flight_and_a_reset_ends_or_repeats_them
            a_block_that_cannot_be_read_is_an_error_of_its_own_operation
            blocks_have_the_size_that_the_device_says
            random_traffic_of_many_clients_reads_back_what_was_written_last
            a_device_that_is_gone_ends_everything_with_an_error);
    };
    ($rig:ty: $($test:ident)*) => {
        $(#[test]
        fn $test() {
            $crate::suite::tests::$test::<$rig>();
        })*
    };
}

/// A file that no other test has.
fn image<R: Rig>(test: &str) -> Image {
    let name = std::any::type_name::<R>().replace("::", "-");
    Image::new(&format!("{name}-{test}"), &pattern(SIZE))
}

fn read(block: u64, bytes: u32) -> Op {
    Op::Read { block, bytes, address: DATA }
}

fn write(block: u64, bytes: u32, durability: Durability) -> Op {
    Op::Write { block, bytes, address: DATA, durability }
}

pub fn a_disk_is_read_written_forced_discarded_and_flushed<R: Rig>() {
    let image = image::<R>("whole");
    let Some(mut world) = World::start::<R>(&image.drive(), ",serial=QM-0001") else { return };
    let info = world.disk.info().clone();
    assert!(info.is_sound());
    assert_eq!((info.block, info.blocks, info.identity.as_str()), (512, 2048, "QM-0001"));
    assert!(info.max_bytes >= 65_536);

    assert_eq!(world.does(read(5, 4096)), Ok(()));
    assert_eq!(world.machine.qemu().read(DATA, 4096), pattern(SIZE)[2560..6656]);

    let mut expected = pattern(SIZE);
    for (byte, block, durability) in [(0xA5, 100, Durability::Flushed), (0x5A, 300, info.writes)] {
        world.machine.qemu().write(DATA, &vec![byte; 9216]);
        assert_eq!(world.does(write(block, 9216, durability)), Ok(()));
        let at = usize::try_from(block).unwrap() * 512;
        expected[at..at + 9216].fill(byte);
    }
    let zeroed = if info.max_zero > 0 { Ok(()) } else { Err(EOPNOTSUPP) };
    let refused = |error: redox::error::Error| error.errno;
    match world.disk.submit(7, Op::Zero { block: 200, blocks: 3 }).map_err(refused) {
        Ok(_) => assert_eq!(world.ends().1, zeroed),
        Err(errno) => assert_eq!(Err(errno), zeroed),
    }
    if zeroed.is_ok() {
        expected[102_400..103_936].fill(0);
    }
    assert!(info.max_discard > 0);
    assert_eq!(world.does(Op::Discard { block: 1024, blocks: 1024 }), Ok(()));
    assert_eq!(world.does(Op::Flush), Ok(()));
    assert_eq!(world.does(read(2048, 512)), Err(EIO), "there is no such block");
    assert_eq!(world.does(read(0, 512)), Ok(()));

    assert_eq!(image.bytes()[..SIZE / 2], expected[..SIZE / 2]);
}

pub fn each_end_of_an_operation_is_told_by_a_message<R: Rig>() {
    let drive = "if=none,id=d,driver=null-co,read-zeroes=on,size=1M";
    let Some(mut world) = World::start::<R>(drive, "") else { return };
    for round in 0..3 {
        assert_eq!(world.does(read(round, 512)), Ok(()));
        // What ended is seen in memory a moment before the message is.
        let mut wait = crate::patience();
        while !world.machine.was_told() {
            assert!(wait(), "no message");
        }
    }
}

pub fn many_operations_are_in_flight_and_a_reset_ends_or_repeats_them<R: Rig>() {
    let image = image::<R>("many");
    let expected = pattern(SIZE);
    let Some(mut world) = World::start::<R>(&image.drive(), "") else { return };
    let at = |tag: u64| Op::Read { block: tag * 3, bytes: 1536, address: DATA + tag * 4096 };
    for tag in 0..31 {
        world.starts(tag.try_into().unwrap(), at(tag));
    }
    let mut ended: Vec<_> = (0..31).map(|_| world.ends()).collect();
    ended.sort_unstable();
    assert_eq!(ended, (0..31).map(|tag| (tag, Ok(()))).collect::<Vec<_>>());
    for tag in 0..31_usize {
        let address = DATA + u64::try_from(tag * 4096).unwrap();
        assert_eq!(world.machine.qemu().read(address, 1536), expected[tag * 1536..][..1536]);
    }

    for tag in 0..5 {
        world.starts(tag.try_into().unwrap(), at(tag));
    }
    world.disk.kick();
    world.disk.reset();
    let mut ended: Vec<_> = (0..5).map(|_| world.ends()).collect();
    ended.sort_unstable();
    for (index, (tag, result)) in ended.into_iter().enumerate() {
        assert_eq!(index, tag);
        assert!(matches!(result, Ok(()) | Err(EIO)), "{result:?}");
    }
    assert_eq!(world.does(read(1, 512)), Ok(()));
    assert_eq!(world.machine.qemu().read(DATA, 512), pattern(SIZE)[512..1024]);
}

pub fn a_block_that_cannot_be_read_is_an_error_of_its_own_operation<R: Rig>() {
    let image = image::<R>("bad");
    let drive = image.drive().replace("file=", "file.driver=blkdebug,file.image.filename=");
    let bad = ",file.inject-error.0.event=read_aio,file.inject-error.0.errno=5,\
               file.inject-error.0.sector=80";
    let drive = format!("{drive}{bad}");
    let Some(mut world) = World::start::<R>(&drive, "") else { return };
    for tag in 0..8_u64 {
        // Not side by side: QEMU would make one of them.
        let op = Op::Read { block: 72 + tag * 2, bytes: 512, address: DATA + tag * 4096 };
        world.starts(tag.try_into().unwrap(), op);
    }
    let mut ended: Vec<_> = (0..8).map(|_| world.ends()).collect();
    ended.sort_unstable();
    let result = |tag| if tag == 4 { Err(EIO) } else { Ok(()) };
    assert_eq!(ended, (0..8).map(|tag| (tag, result(tag))).collect::<Vec<_>>());
    assert_eq!(world.machine.qemu().read(DATA + 7 * 4096, 512), pattern(SIZE)[86 * 512..87 * 512]);
    assert_eq!(world.does(read(80, 512)), Err(EIO));
    assert_eq!(world.does(read(81, 512)), Ok(()));
}

pub fn blocks_have_the_size_that_the_device_says<R: Rig>() {
    for size in R::BLOCKS {
        let image = image::<R>("blocks");
        let options = format!(",logical_block_size={size},physical_block_size=16384");
        let Some(mut world) = World::start::<R>(&image.drive(), &options) else { return };
        let info = world.disk.info().clone();
        assert_eq!(info.block, *size);
        assert_eq!(info.physical_block, if R::TELLS_PHYSICAL { 16_384 } else { *size });
        assert_eq!(info.bytes(), SIZE.try_into().ok());
        assert_eq!(world.does(read(9, *size)), Ok(()));
        let (at, len) = (usize::try_from(9 * size).unwrap(), usize::try_from(*size).unwrap());
        assert_eq!(world.machine.qemu().read(DATA, len), pattern(SIZE)[at..at + len]);
    }
}

pub fn a_device_that_is_gone_ends_everything_with_an_error<R: Rig>() {
    let drive = "if=none,id=d,driver=null-co,read-zeroes=on,size=1M";
    let Some(mut world) = World::start::<R>(drive, "") else { return };
    world.machine.sever();
    world.starts(1, read(0, 512));
    world.starts(2, read(1, 512));
    world.disk.kick();
    world.disk.look();
    world.disk.reset();
    let mut ended = [world.ends(), world.ends()];
    ended.sort_unstable();
    assert_eq!(ended, [(1, Err(EIO)), (2, Err(EIO))]);
    assert_eq!(world.disk.submit(3, Op::Flush).unwrap_err().errno, EIO);
    world.disk.look();
    world.disk.reset();
    assert!(world.disk.finish().is_none());
}

/// What a client of the block layer gets.
enum Answer {
    Number(redox::error::Result<usize>),
    Range(Range<usize>),
}

/// A client of the block layer, with what it writes.
struct Asker {
    data: Vec<u8>,
    answer: Rc<RefCell<Option<Answer>>>,
}

impl Client for Asker {
    fn pull(&mut self, at: usize, into: &mut [u8]) -> redox::error::Result<usize> {
        into.copy_from_slice(&self.data[at..at + into.len()]);
        Ok(into.len())
    }

    fn answer(self, result: redox::error::Result<usize>) {
        *self.answer.borrow_mut() = Some(Answer::Number(result));
    }

    fn answer_range(self, range: Range<usize>) {
        *self.answer.borrow_mut() = Some(Answer::Range(range));
    }
}

/// The driver under the block layer.
struct Stack<D> {
    engine: Engine<D, anode_device::qtest::Memory, Asker>,
    qemu: Qemu,
}

impl<D: Disk> Stack<D> {
    fn asks(&mut self, task: Task, data: &[u8]) -> Rc<RefCell<Option<Answer>>> {
        let answer = Rc::default();
        self.engine.ask(Asker { data: data.to_vec(), answer: Rc::clone(&answer) }, task);
        self.engine.turn();
        answer
    }

    /// Lets the device work until nothing is asked any more.
    fn runs(&mut self) {
        let mut wait = crate::patience();
        while !self.engine.is_idle() {
            assert!(wait(), "the device does not answer");
            self.engine.turn();
        }
    }
}

/// Numbers below a bound, the same in each run.
fn random(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 20).unwrap() % below
    }
}

pub fn random_traffic_of_many_clients_reads_back_what_was_written_last<R: Rig>() {
    let image = image::<R>("traffic");
    let Some(World { machine, disk }) = World::start::<R>(&image.drive(), "") else { return };
    let qemu = machine.qemu().clone();
    let engine = Engine::new(disk, qemu.memory(DATA, SIZE + 8192)).unwrap();
    let (mut stack, mut model) = (Stack { engine, qemu }, pattern(SIZE));
    let mut random = random(7);
    for round in 0..100_u32 {
        let len = 1 + random(if round % 16 == 0 { 200_000 } else { 5000 });
        let start = random(SIZE - len);
        let (begin, size) = (start.try_into().unwrap(), len.try_into().unwrap());
        if random(2) == 0 {
            let data: Vec<u8> = (0..len).map(|at| (at + start).to_le_bytes()[0] ^ 0x3C).collect();
            model[start..start + len].copy_from_slice(&data);
            let forced = random(4) == 0;
            let durability = if forced { Durability::Forced } else { Durability::Flushed };
            // Not awaited: the next ones overlap it while it is under way.
            drop(stack.asks(Task::Write { start: begin, len: size, durability }, &data));
        } else {
            if random(8) == 0 {
                drop(stack.asks(Task::Flush, &[]));
            }
            stack.runs();
            let asked = stack.asks(Task::Read { start: begin, len: size }, &[]);
            stack.runs();
            let Some(Answer::Range(range)) = asked.take() else { unreachable!("no data") };
            let got = stack.qemu.read(DATA + u64::try_from(range.start).unwrap(), range.len());
            assert!(got == model[start..start + len], "{len} bytes at {start}");
            stack.engine.recycle();
        }
    }
    let flush = stack.asks(Task::Flush, &[]);
    stack.runs();
    assert!(matches!(flush.take(), Some(Answer::Number(Ok(0)))));
    assert!(image.bytes() == model, "the image is not what was written");
}
