import com.google.protobuf.ByteString;
import dev.gemelo.offload.v1.Bye;
import dev.gemelo.offload.v1.ClientMessage;
import dev.gemelo.offload.v1.Frame;
import dev.gemelo.offload.v1.Hello;
import dev.gemelo.offload.v1.OffloadGrpc;
import dev.gemelo.offload.v1.PixelFormat;
import dev.gemelo.offload.v1.RegisterReply;
import dev.gemelo.offload.v1.RegisterRequest;
import dev.gemelo.offload.v1.Result;
import dev.gemelo.offload.v1.ServerMessage;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/**
 * A phone on the JVM, with grpc-java as an Android app would use it:
 * {@code Phone HOST PORT TOKEN DEVICE FRAMES PICTURE}. Sends FRAMES frames, each with credit, and prints one line:
 * twin, frames sent, results, those with status OK, label of the last face, p50 of the round trip and of the network in
 * microseconds.
 */
public final class Phone implements StreamObserver<ServerMessage> {
    private static final ServerMessage END = ServerMessage.getDefaultInstance();
    private final BlockingQueue<ServerMessage> inbox = new LinkedBlockingQueue<>();
    private volatile Throwable failure;

    @Override
    public void onNext(ServerMessage message) {
        inbox.add(message);
    }

    @Override
    public void onError(Throwable error) {
        failure = error;
        inbox.add(END);
    }

    @Override
    public void onCompleted() {
        inbox.add(END);
    }

    private ServerMessage next() throws Exception {
        ServerMessage message = inbox.poll(20, TimeUnit.SECONDS);
        if (message == null) {
            throw new IllegalStateException("nothing came within 20 s");
        }
        if (failure != null) {
            throw new IllegalStateException(failure);
        }
        return message;
    }

    private static long micros() {
        return System.nanoTime() / 1000;
    }

    public static void main(String[] args) throws Exception {
        int frames = Integer.parseInt(args[4]);
        ByteString picture = ByteString.copyFrom(Files.readAllBytes(Paths.get(args[5])));
        Metadata headers = new Metadata();
        headers.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + args[2]);
        ManagedChannel channel = NettyChannelBuilder.forAddress(args[0], Integer.parseInt(args[1])).usePlaintext().build();

        RegisterReply registered = MetadataUtils.attachHeaders(OffloadGrpc.newBlockingStub(channel), headers)
            .register(RegisterRequest.newBuilder().setDeviceId(args[3]).setPhoneModel("JVM").build());

        Phone phone = new Phone();
        StreamObserver<ClientMessage> out =
            MetadataUtils.attachHeaders(OffloadGrpc.newStub(channel), headers).session(phone);
        out.onNext(ClientMessage.newBuilder()
            .setHello(Hello.newBuilder().setProtocol(1).setDeviceId(args[3]).setFps(30)).build());
        int credit = phone.next().getWelcome().getCredit();

        int sent = 0;
        int results = 0;
        int ok = 0;
        String label = "";
        long[] trips = new long[frames];
        long[] networks = new long[frames];
        while (results < frames) {
            while (credit > 0 && sent < frames) {
                credit--;
                out.onNext(ClientMessage.newBuilder().setFrame(Frame.newBuilder()
                    .setSeq(++sent).setClientTsUs(micros()).setFormat(PixelFormat.JPEG).setData(picture)).build());
            }
            ServerMessage message = phone.next();
            credit += message.getGrant().getCredit();
            if (message.hasResult()) {
                Result result = message.getResult();
                credit += result.getCredit();
                trips[results] = micros() - result.getClientTsUs();
                networks[results] = trips[results] - server(result);
                results++;
                ok += result.getStatus() == Result.Status.OK ? 1 : 0;
                label = result.getFacesCount() > 0 ? result.getFaces(0).getLabel() : label;
            }
        }
        out.onNext(ClientMessage.newBuilder().setBye(Bye.newBuilder().setReason("done")).build());
        out.onCompleted();
        while (phone.next() != END) {
            continue;
        }
        channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
        Arrays.sort(trips);
        Arrays.sort(networks);
        System.out.printf("%s %d %d %d %s %d %d%n",
            registered.getTwin(), sent, results, ok, label, trips[frames / 2], networks[frames / 2]);
    }

    private static long server(Result result) {
        dev.gemelo.offload.v1.Durations spent = result.getDurations();
        return spent.getRecvToQueueUs() + spent.getQueueUs() + spent.getDecodeUs() + spent.getInferUs()
            + spent.getPostUs() + spent.getCommitUs() + spent.getSendWaitUs();
    }
}
